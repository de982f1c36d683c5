# What is said in other words where there is no crate that watches: commands, services, engines and flags are missing
# there, quotes are those of the command prompt, and nothing names a tool of Linux. The ids are those of en.ftl.

after-serve = Services:
      echo      sends back what comes, until the peer ends
      receive   shows what comes
      reply     answers ANSWER once and closes
      ask       shows what comes and you type the answer
      discard   throws away what comes
      chargen   sends characters without end
      daytime   sends date and time and closes

    Addresses: 4000 or :4000 is this machine only; 0.0.0.0:4000 is the whole IPv4 network, [::]:4000 the IPv6 one, *:4000 both.
    Usual ports: 4000 for echo, ask and the others; 8080 for receive and reply. Ctrl-C ends it.

    Examples:
      enchufe serve echo
      enchufe serve echo --engine blocking --backlog 1 --read-size 19
      enchufe serve reply "Hello from the server" --once --listen 0.0.0.0:8080
after-send = Without MESSAGE it sends its input; if that is a terminal, it asks for each message (Ctrl-D ends).
    The answer goes to standard output, everything else to standard error.

    Examples:
      enchufe send 127.0.0.1:4000 "Here is the message" --expect echo
      enchufe send 127.0.0.1:8080 "Hello, server!" --no-reply
      enchufe send server:4000 --retry 10s --file question.txt
arg-serve-answer = What "reply" answers
arg-read-words = Captures, or - for standard input; then, if it is no file, a display filter of Wireshark: "tcp.port == 8080"
flag-engine = blocking: one connection at a time; threads: a thread each; auto: the one that holds most (the usual one)
flag-drain = At the end, how much time is given to connections that are still open (5s)
flag-view = What is shown: packets, conversations, findings, ladder, or calls, of a recording that was made on Linux (packets)
flag-write = Write the packets to FILE, as pcapng in nanoseconds (no rows are shown then, and - is standard output)
flag-no-reply = Do not show an answer: over when everything is sent and the peer has ended; whether its TCP acknowledged it, this system does not tell
flag-wait = How long --no-reply waits for the end of the peer, or --expect nothing for silence (5s)
event-short = { $of ->
        [connections] The most connections are open ({ $limit }): new ones are answered with a reset
        [threads] The system gives no more threads: new connections are answered with a reset
        [accept] accept fails again and again ("{ $cause }"): new connections wait in the queue, and it is tried again each second
       *[memory] The system has no room for more sockets: new connections wait in the queue
    }
io-FileTooLarge = the file is larger than this system allows
way-descriptors = name fewer files
way-limit = end other programs, or try again later
way-allow-call = this system does not allow it to this program: have it allowed
way-directory = make it first, or name another file
way-look = look at its name, or name another file
way-permission = change its permissions, or name another file
problem-no-answer = what to answer is missing; write: enchufe serve reply "Hello from the server"
problem-no-target = to whom is missing; write: enchufe send 127.0.0.1:4000 "Hello"
problem-no-terminal = "serve ask" needs a keyboard and the input is not a terminal; to always answer the same: enchufe serve reply "Hello"
