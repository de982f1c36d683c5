### The texts in English. The same ids as es.ftl.

## What happens in a conversation

event-winsock_started = Winsock { $version } started
event-starting = Starting up { $ip } port { $port }
event-socket_made = Socket made for { $address }
event-options = Socket options as the system reports them: { $options }
event-bound = Bound to { $address }
event-inherited = Given a socket that listens already: { $address } (descriptor { $descriptor }{ $named })
event-listening = Listening on { $address } (up to { $backlog } waiting): { reach }
event-metrics_listening = Metrics at http://{ $address }/metrics: { reach }
reach = { $reach ->
        [this_machine] only this machine can connect
        [every_interface] whoever reaches this machine over the network can connect
       *[one_address] whoever reaches that address can connect
    }
event-skipped = Without { $address }: { $call } says "{ $cause }"; the other address family will do
event-engine = { $name ->
        [blocking] Engine blocking: one connection at a time
        [threads] Engine threads: a thread for each connection
       *[other] Engine { $name }: { $threads ->
            [one] one thread
           *[other] { $threads } threads
        } for all connections
    }
event-waiting = Waiting for a connection
event-queued = { $count ->
        [one] Waiting for its turn, already connected: { $peers }
       *[other] Waiting for their turn, already connected: { $peers }
    }
event-accepted = Connection from { $peer }
event-secured = Secured with TLS { $version } ({ $cipher }){ $asked ->
        [yes] , for { $server_name }
       *[no] {""}
    }{ $resumed ->
        [yes] , a session resumed
       *[no] {""}
    }
event-program_started = Program started (process { $pid })
event-program_ended = { $how ->
        [signal] The program was ended by signal { $code }
       *[exit] The program ended with code { $code }
    }
event-received = Received ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-incomplete = The connection ended in the middle of a character: { $text }
event-returning = Returning { $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    } to { $peer }
event-answered = Answered { $peer } ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-question = { $peer } asks{ $quoted }. Type the answer and Enter
event-question_waits = The question of { $peer } waits for its turn ({ $ahead ->
        [one] 1 is before it
       *[other] { $ahead } are before it
    })
event-question_withdrawn = { $peer } left; its question needs no answer any more
event-line_ignored = Nobody has asked: that line went to no one
event-operator_left = There will be no more answers: the keyboard was closed
event-peer_ended = No more data from { $peer }
event-discarded = Threw away { $bytes ->
        [one] 1 byte that nobody was waiting for
       *[other] { $bytes } bytes that nobody was waiting for
    }
event-closed = Connection with { $peer } closed: { $why } (received { $received }, sent { $sent }{ $unsent ->
        [0] {""}
       *[other] , not sent { $unsent }
    } bytes; lasted { $lasted })
event-short = { $of ->
        [connections] The most connections are open ({ $limit }): new ones are answered with a reset
        [descriptors] Out of descriptors: new connections wait in the queue until one is free ("ulimit -n" raises the limit)
        [threads] The system gives no more threads: new connections are answered with a reset
        [accept] accept fails again and again ("{ $cause }"): new connections wait in the queue, and it is tried again each second
        [watches] The system watches no more connections for this user ("sysctl fs.epoll.max_user_watches" says how many): new ones are answered with a reset
        [ring] The system takes no more sockets into rings ("{ $cause }"): this connection is answered with a reset, others wait in the queue, and it is tried again each second
       *[memory] The system has no memory for more sockets: new connections wait in the queue
    }
event-folded = { $count ->
        [one] And one more event of connections in that second
       *[other] And { $count } more events of connections in that second
    } (--events all tells each)
event-draining = Ending: { $open ->
        [one] 1 connection is left and has { $limit } to finish (another Ctrl-C cuts it)
       *[other] { $open } connections are left and have { $limit } to finish (another Ctrl-C cuts them)
    }
event-queue_cut = { $count ->
        [one] A connection was waiting for its turn: the system reset it
       *[other] { $count } connections were waiting for their turn: the system reset them
    }
event-stopped = Over: { $served ->
        [one] 1 connection served
       *[other] { $served } connections served
    }{ $cut ->
        [0] {""}
       *[other] , { $cut } cut
    }{ $empty ->
        [0] {""}
       *[other] , { $empty } without a byte
    }
event-resolving = Looking up the addresses of { $name }
event-resolved = { $name } is at { $addresses }
event-connecting = Connecting to { $ip } port { $port }
event-attempt_failed = Not { $address }: { $cause }
event-retrying = Nobody listens on { $address } yet; trying again for { $limit }
event-connected = Connected to { $address } from { $local } (in { $took })
event-sending = Sending ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-half_closed = Half-closed: nothing more is sent, what comes is still received
event-acknowledged = Acknowledged by the peer's TCP: { $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    } and the end (this does not prove that its program read them)
event-delivery_unknown = Sent: { $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    } and the end, and the peer has ended; whether its TCP acknowledged them, this system does not tell
event-still_waiting = { $awaited ->
        [connection] Still no answer to the connection (--connect-timeout 5s sets a limit)
        [handshake] The peer has not ended the handshake of TLS (--idle 5s limits the wait); does it speak TLS at all?
        [echo] Still to come back: { $missing ->
                [one] 1 byte
               *[other] { $missing } bytes
            } (--idle 5s limits the wait)
        [expected] What is expected has not come yet (--idle 5s limits the wait)
        [acknowledgement] The peer has not acknowledged everything yet (--wait says how long to wait)
        [room] The peer does not read: there is no room for more just now (--idle 5s limits the wait)
       *[peer_end] Waiting for the peer to end (--idle 5s limits the wait; Ctrl-C ends it now)
    }
event-closing = Closing the socket

## Why a connection ended

reason-peer_finished = the peer finished first
reason-own_end = this end finished first
reason-reset_by_peer = the peer reset it (RST)
reason-idle = nothing came or went for { $limit }
reason-first_byte = not one byte came for { $limit }
reason-deadline = it reached its limit of { $limit }
reason-interrupted = this program was interrupted
reason-refused = nobody listens there
reason-limit = there was no room for it
reason-peer_left = the peer closed without waiting for the answer
reason-failed = { $call } failed: { $cause }
reason-truncated = the peer closed without TLS's close_notify: what came may not be all that it said
reason-tls = { $tls ->
        [not_tls] what the peer said first is not TLS
        [handshake_cut] the peer ended the connection in the handshake of TLS
        [alert] the peer gave up on TLS with the alert { $alert }
        [unknown_issuer] nobody who is trusted has signed the peer's certificate (--tls-ca FILE trusts others)
        [authority] the peer's certificate is an authority's own, and that authority is not trusted (if it is the right one, --tls-ca FILE with it trusts it)
        [expired] the peer's certificate was valid until { $moment } (its server needs a new one)
        [not_yet_valid] the peer's certificate is valid from { $moment } on (is the clock of this machine right?)
        [other_name] the peer's certificate is not for the name that was called{ $has_names ->
                [no] {" "}and has none in subjectAltName, where they are looked for (its server needs another one)
               *[yes] , but for { $names } (call it by that)
            }
       *[protocol] TLS failed: { $detail }{ $answered ->
            [yes] , as the peer was told by the alert { $alert }
           *[no] {""}
        }
    }

## Errors of the system, by their kind in Rust

io-NotFound = it does not exist
io-PermissionDenied = permission denied
io-ConnectionRefused = connection refused: nobody listens there
io-ConnectionReset = the peer reset the connection
io-ConnectionAborted = the connection was aborted
io-HostUnreachable = that machine cannot be reached
io-NetworkUnreachable = that network cannot be reached
io-NetworkDown = the network is down
io-NotConnected = there is no connection
io-AddrInUse = the address is in use
io-AddrNotAvailable = the address is not of this machine
io-BrokenPipe = the other end has closed
io-TimedOut = timed out
io-IsADirectory = it is a directory
io-NotADirectory = it is not a directory
io-FileTooLarge = the file is larger than this process may make it (ulimit -f)
io-StorageFull = the disk is full
io-ReadOnlyFilesystem = the file system is read-only
io-OutOfMemory = out of memory
io-Interrupted = interrupted by a signal
io-InvalidData = the archive is damaged
io-UnexpectedEof = the archive ends too early
io-InvalidInput = the system does not take that value
io-WouldBlock = the system gives no more of it now
io-Unsupported = this system does not have it
program-incomplete = it is gone, or the interpreter that its first line names, or the loader that it needs, is not there
program-foreign = it is a program for another machine, or a script whose first line does not name its interpreter, as in #!/bin/sh
io-descriptors = too many files are open
io-no-directory = its directory does not exist
way-descriptors = name fewer files, or raise the limit (ulimit -n)
way-limit = raise the limit (ulimit -n)
way-allow-call = the system forbids it to this program, as the filter of a container or of a service manager does: have it allowed there
way-newer = use a newer kernel, or have it allowed where a filter of system calls hides it
way-resources = end other programs, or try again later
way-allow-rings = io_uring is forbidden to this user or program: have it allowed (sysctl kernel.io_uring_disabled=0, or the filter of the container)
way-lock = raise the limit of memory that may be locked (ulimit -l)
way-newer-rings = it needs the io_uring of Linux 6.8 or later: use a newer kernel
way-room = make room, or write to another disk
way-directory = make it first (mkdir -p), or name another file
way-look = look at its name (ls), or name another file
way-permission = run this as a user who may read it, give this user the right to (chown, setfacl), or name another file
way-write-another = name another file, in a directory that is yours
way-another = name another file
way-another-directory = name a directory that exists and is yours
way-temporary = set TMPDIR to a directory that exists and is yours, or name a file with -w
way-put-right = put that right, and send SIGHUP again

## What could not be done

problem-no-command = say what to do; to begin with: "enchufe demo" (all there is: "enchufe --help")
problem-unknown-command = "{ $word }" is no command of enchufe; there are: { $choices } ("enchufe --help" explains them)
problem-unknown-command-near = "{ $word }" is no command of enchufe; did you mean "enchufe { $near }"?
problem-not-here = "enchufe { $word }" is not part of enchufe on this system: it needs Linux. Wireshark captures here, and "enchufe read FILE --ladder" shows what it captured
problem-unknown-flag = there is no flag { $flag } here ("--help" shows those there are; if it is none, put -- before it)
problem-unknown-flag-number = there is no flag { $flag } here, and none takes a negative number (if it is a message, put -- before it)
problem-unknown-flag-near = there is no flag { $flag } here; did you mean { $near }?
problem-missing-value = { $flag } needs a value
problem-takes-no-value = { $flag } takes no value: write it alone
problem-extra-argument = "{ $word }" is one word too many (words that belong together go in quotes)
problem-conflict = { $flag } and { $other } exclude each other: leave one out
problem-repeated = { $flag } is there twice: leave one
problem-no-text = a word of the line is not UTF-8, and only messages and the names of files and programs may be that; write it again
problem-usage = the line cannot be understood: { $said } ("--help" shows how it is written)
problem-bad-choice = { $flag } cannot be "{ $word }"; it can be: { $choices }
problem-bad-time = { $flag } needs a time with its unit (us, ms, s, m or h), like 50ms, 2s or 1m, not "{ $word }"
problem-bad-size = { $flag } needs a size, like 0, 64KiB, 10MB or 1GiB, not "{ $word }"
problem-bad-number = { $flag } needs a number from { $least } to { $most }, not "{ $word }"
problem-bad-source = --source needs an address of this machine, with or without a port (127.0.0.2, 127.0.0.2:5000, [::1]:5000), not "{ $word }"
problem-bad-option = --socket does not know "{ $word }"; it knows: { $choices }
problem-bad-option-value = --socket { $option } cannot be "{ $word }" (they are written nodelay=on, keepalive=30s, sndbuf=65536, rcvbuf=65536, linger=0s)
problem-bad-port = { $of }"{ $word }" is not a port: that is a number from 0 to 65535
problem-no-port = { $of }"{ $word }" lacks the port: write it after a colon, like 127.0.0.1:4000
problem-bad-host = { $of }"{ $word }" is neither a name nor an address (they are written 127.0.0.1:4000, [::1]:4000 or name:4000)
problem-brackets = { $of }an IPv6 address goes in brackets, so that one sees where the port begins: [::1]:4000, not "{ $word }"
problem-every-target = "*" is for listening; to connect say to which machine, like 127.0.0.1:4000
problem-zero-target = port 0 is for listening; to connect say on which port the server listens
problem-no-service = which service is missing; for example: "enchufe serve echo" (there are: { $choices })
problem-unknown-service = there is no service "{ $word }"; there are: { $choices }
problem-service-port = the service goes before the port; write: enchufe serve echo --listen { $port }
problem-service-then-port = the port goes with --listen; write: enchufe serve { $service } --listen { $port }
problem-no-answer = what to answer is missing; write: enchufe serve reply 'Hello from the server'
problem-answer-not-used = { $service } takes no text: "{ $word }" is one word too many (with a text it is: enchufe serve reply { $quoted })
problem-flag-not-used = { $flag } has no effect in { $service }: leave it out
problem-no-target = to whom is missing; write: enchufe send 127.0.0.1:4000 'Hello'
problem-target-then-port = the port follows the name after a colon; write: enchufe send { $host }:{ $port } { $message }
problem-target-then-port-alone = the port follows the name after a colon; write: enchufe send { $host }:{ $port } Hello
problem-flag-goes-with = { $flag } has an effect only with: { $others }
problem-flag-not-here = { $flag } is for the engines epoll and uring, which are not part of enchufe on this system: it needs Linux; leave { $flag } out
problem-zero-time = { $flag } has to be more than zero
problem-metrics-listen = bind { $address }: --metrics has that address, too; give one of the two another port
problem-unfit = descriptor { $number }{ $named } of LISTEN_FDS { $what }; what starts this program has to hand on a socket that listens (systemd: ListenStream= with a port, without Accept=yes)
unfit-closed = is not open
unfit-no-socket = is no socket
unfit-no-tcp = is no socket of TCP
unfit-not-listening = is a socket that does not listen
problem-bad-listen-fds = LISTEN_FDS has to say how many descriptors are handed on (no more than { $most }), not "{ $word }"
problem-listen-inherited = what started this program has handed on a socket that listens (LISTEN_FDS): leave { $flag } out
problem-notify-failed = sendto { $address }: { $cause }; what started this program cannot be told there (NOTIFY_SOCKET) that it listens: correct that or unset it
problem-listen-twice = bind { $address }: another --listen takes that address, or a part of it, already; leave one
problem-nothing-to-run = what to run for each connection is missing; write for example: enchufe serve exec -- cat
problem-rings-too-large = io_uring_setup: there is no memory for the rings of so many threads; raise the limit of memory that may be locked (ulimit -l), give fewer --threads, or use --engine epoll
problem-engine-refused = --engine { $engine } cannot serve here: { $call }: { $cause }; { $way }, or use --engine { $works }
problem-too-many-threads = --threads { $threads } is more than the processors that this program may use ({ $most }): more would only take turns on them; give at most { $most }
problem-threads-beyond-named = --threads { $threads } is more than the processors that --cpus names ({ $most }): more would only take turns on them; give at most { $most }, or name more
problem-bad-threads = --threads needs auto, or a number from 1 to { $most }, the processors that it may use; not "{ $word }"
problem-bad-busy-poll = --busy-poll needs off, auto, or a time with its unit (us, ms, s, m or h), like 100us, not "{ $word }"
problem-bad-processors = --cpus needs numbers of processors, as in 0-3,6, or auto, or off, not "{ $word }"
problem-not-steered = --cpus: this system does not bring new connections to the thread of the processor that handles their packets (tried out from processor { $processor }); leave --cpus out, or say --cpus off
problem-processor-forbidden = --cpus { $word }: this program may run only on { $allowed }
problem-descriptors-beyond = --max-connections { $connections } needs { $needed } descriptors, and this system gives no program more than { $most }; raise that with: sudo sysctl fs.nr_open={ $needed }, and then the limit of this shell with: sudo prlimit --pid $$ --nofile={ $needed }
problem-descriptors-too-few = --max-connections { $connections } needs { $needed } descriptors and this program may have { $limit }; raise the limit of this shell with: sudo prlimit --pid $$ --nofile={ $needed }
problem-descriptors-without-rings = --max-connections { $connections } needs { $needed } descriptors and this program may have { $limit }; raise the limit of this shell with: sudo prlimit --pid $$ --nofile={ $needed }; or, so that uring has its rings, whose connections are no descriptors, that of memory that may be locked (ulimit -l)
problem-never-comes = { $flag } { $time } would never come: { $other } { $limit } ends the connection before; leave one out, or make { $other } longer than { $time }
problem-never-reached = --max-connections { $connections } would never be reached: { $other } lets in no more than { $most }; leave one of the two out
problem-beyond-tables = --max-connections { $connections } is more than --engine uring has room for on { $threads ->
        [one] one thread
       *[other] { $threads } threads
    } ({ $places }); give at most that many, or use --engine epoll
note-not-renewed = { $problem } (until then the old one stays in use)
problem-tls-files = --tls of a server has two files, its certificate and its key; write for example: --tls server.pem,server.key
problem-tls-too-large = { $path } has more than { $most }: name a file with certificates or a key in PEM
problem-tls-no-certificate = { $path }: there is no certificate in it; { $flag } wants one in PEM first, which begins with "-----BEGIN CERTIFICATE-----"
problem-tls-bad-certificate = { $path }: a certificate in it cannot be read ({ $detail }); "openssl x509 -in FILE -noout -text" shows one that can be
problem-tls-no-key = { $path }: there is no private key in it; the second file of --tls is the key in PEM, which begins with "-----BEGIN PRIVATE KEY-----"
problem-tls-encrypted-key = { $path }: the key is encrypted, and nobody is asked for its password; write it without one: openssl pkey -in FILE -out KEY
problem-tls-bad-key = { $path }: the key cannot be used ({ $detail }); look whether the file is whole, or make one of ECDSA (P-256, P-384), Ed25519 or RSA (2048 bits and more), and a certificate for it
problem-tls-mismatch = { $key } is not the key of the certificate in { $path }; give the one that the certificate was made with
problem-tls-expired = { $path }: { $place ->
        [1] the certificate
       *[other] certificate { $place } of those in it
    } was valid until { $moment }; put a new one there
problem-tls-not-yet-valid = { $path }: { $place ->
        [1] the certificate
       *[other] certificate { $place } of those in it
    } is valid from { $moment } on; wait until then, or set the clock of this machine right
problem-tls-nobody = there is nobody here whom --tls could trust ({ $detail }); install the system's authorities (the package ca-certificates), or name some with --tls-ca FILE
problem-tls-bad-name = no certificate can be for the name "{ $name }"; call the server by the name in its certificate
problem-source-in-use = bind { $address }: that address of --source is in use; choose another port, or leave it out so that the system chooses
problem-source-not-ours = bind { $address }: --source has to be an address of this machine
problem-resolve-failed = getaddrinfo { $name }: its address could not be found out ({ $cause }); try again or give the address in numbers
problem-no-terminal = "serve ask" needs a keyboard and the input is not a terminal; to always answer the same: enchufe serve reply 'Hello'
problem-no-shell = for which shell is missing; write for example: enchufe completions bash (there are: { $choices })
problem-file = { $call } { $path }: { $cause }; { $way }
problem-file-is-directory = { $path } is a directory: give the name of a file
problem-write-file = { $call } { $path }: { $cause }; { $way }
problem-in-use-listening = bind { $address }: { $program } (process { $pid }) listens there already; end it or choose another port with { $flag }
problem-in-use-listening-unseen = bind { $address }: another program listens there already, which your user may not see; choose another port with { $flag }
problem-in-use-bound = bind { $address }: { $program } (process { $pid }) has taken that address, though it does not listen; end it or choose another port with { $flag }
problem-in-use-bound-unseen = bind { $address }: another program has taken that address, though it does not listen; choose another port with { $flag }
problem-in-use-connected = bind { $address }: an open connection uses that address; wait for its end or choose another port with { $flag }
problem-in-use-time-wait = bind { $address }: a connection that has ended holds it in TIME_WAIT; it is free in { $seconds ->
        [one] 1 second
       *[other] { $seconds } seconds
    }, or choose another port with { $flag }
problem-in-use = bind { $address }: the address is in use; choose another port with { $flag }
problem-privileged-port = bind { $address }: port { $port } is one of the reserved ones (below 1024) and your user may not take it; choose a higher one
problem-port-kept = bind { $address }: the system keeps port { $port } for itself; choose another one ("netsh int ipv4 show excludedportrange tcp" lists those that Windows keeps)
problem-not-our-address = bind { $address }: that is no address of this machine; use one of its own, or 0.0.0.0 for all
problem-unresolved = getaddrinfo { $name }: that name has no address ({ $cause }); check how it is written or give the address in numbers
problem-no-such-family = { $name } has no { $family } address; leave { $choice } out
problem-family-mismatch = --source { $address } and { $target } are not of the same family (IPv4 or IPv6); give both of one
problem-option-refused = setsockopt { $option } on { $address }: { $cause }
problem-call-failed = { $call } { $address }: { $cause }
problem-call-refused = { $call } { $address }: { $cause }; { $way }
problem-resources = { $call }: { $cause }; { $way }
problem-read-input = the input cannot be read further: { $cause }
problem-write-output = the result cannot be written: { $cause }
problem-no-file = which capture to read is missing; write: enchufe read capture.pcapng (or - for standard input)
problem-capture-on-terminal = a capture is no text for a terminal: name a file, or send standard output to a file or a program
problem-same-file = { $path } is a capture that is being read: write to another file
problem-stdin-twice = standard input can be read once: name - once
problem-read-interrupted-at-once = interrupted before anything was shown
problem-read-interrupted = interrupted before the end: what came until then was shown
problem-flag-needs = { $flag } has an effect only together with { $other }
problem-no-conversation = { $path } has no conversation { $number }: it has { $count ->
    [0] none
    [one] one, number 0
   *[other] { $count }, numbered from 0; --view conversations lists them
 }
problem-no-recording = { $path } is no recording of programs, or cannot be read twice: --view calls shows what enchufe trace -w FILE wrote
problem-no-packet = { $path } has no packet { $number }: it has { $count ->
    [0] none
    [one] one, number 1
   *[other] { $count }, numbered from 1
 }
problem-bad-column = there is no column "{ $word }"; there are number, time, source, destination, protocol, length, info and every field of the filter language
problem-filter-field = the filter names a field that does not exist: { $name }
problem-filter-field-near = the filter names a field that does not exist: { $name }; near it are { $near }
problem-filter-operand = the filter lacks a field or a value here
problem-filter-unexpected = the filter has something here that fits nowhere
problem-filter-not-closed = the filter opens a bracket or quote here and does not close it
problem-filter-no-field = the filter compares two values here: one side needs a field
problem-filter-value = the filter has something here that cannot be a value of its field, which holds { $kind }
problem-filter-too-big = the filter has a number here that is too big for its field, { $number }: it can be at most { $most }
problem-filter-operator = the filter uses an operator here that does not work on { $kind }
problem-filter-pair = the filter compares { $left } with { $right } here, which cannot be compared
problem-filter-slice = the filter has a slice here that cannot be read; write [0:4], [0-3] or [2]
problem-filter-expression = the filter has a regular expression here that cannot be read, or is too large
problem-filter-function = the filter names a function here that does not exist; there are len, count, upper, lower
problem-filter-deep = the filter has more brackets inside each other here than are read; leave some out
problem-no-interface = there is no interface { $name }; there are: { $others } (and any, for all of them)
problem-capture-forbidden = capturing packets needs the capability CAP_NET_RAW, which this program does not have; give it once: sudo setcap cap_net_raw+ep { $program }; enchufe trace shows without it what the programs that it runs send and get
problem-promiscuous-everywhere = --promiscuous is a mode of one interface: name it with -i
problem-capture-failed = packets cannot be captured on { $place }: { $cause }
problem-no-program = no program to trace: name one, as in: enchufe trace 'python3 servidor.py' 'python3 cliente.py'
problem-empty-command = a command is empty: name the program that it runs
problem-open-quote = a quote in { $word } does not close: commands are split into words as a shell does
problem-command-not-found = the command { $word } is not found: give its path, or look at PATH
problem-command-is-directory = the command { $word } is a directory: name the program in it
problem-command-not-executable = { $word } cannot be executed, it has no permission for that; give it with: chmod +x { $word }
problem-command-foreign = { $word } cannot be executed: it is a program for another machine, or a script whose first line does not name its interpreter, as in #!/bin/sh
problem-command-no-interpreter = { $word } cannot be executed: the interpreter that its first line names, or the loader that it needs, is not there
problem-ptrace-traced = programs cannot be traced here: enchufe is traced itself, and a program has one tracer; run it without strace, gdb or another enchufe trace around it
problem-ptrace-scope = programs cannot be traced here: kernel.yama.ptrace_scope is { $scope }; set it to 1 (sudo sysctl kernel.yama.ptrace_scope=1; after 3 that needs a restart of the machine)
problem-ptrace-forbidden = programs cannot be traced here: ptrace is refused ({ $cause }), as by the filter of system calls of a container; in Docker allow it with --cap-add SYS_PTRACE
problem-seccomp-forbidden = programs cannot be traced here: seccomp is refused ({ $cause }), which stops them at their calls; a container's filter may forbid it, and the kernel needs CONFIG_SECCOMP_FILTER
problem-command-refused = { $word } cannot be executed: { $cause }
problem-not-ready = { $word } neither listens nor connects nor ends, so the next program was not started; give it more time with --start-timeout
problem-pid-not-offered = --pid is not offered: of a program that runs already, the calls that made its connections are past, and causes would be guessed; start it with enchufe trace, or see its packets with enchufe watch
problem-view-needs-packets = { $flag } shows packets, and --no-packets leaves them out: leave out one of both (--view calls and --view ladder show calls)
problem-recording-to-stdout = standard output has the ladder: name a file for the recording, as in -w run.pcapng
problem-recording-no-file = { $path } is no regular file, and a recording is read again and replaced: name another file with -w
problem-host-forbidden = seeing the packets of this machine's network needs the capability CAP_NET_RAW; give it once: sudo setcap cap_net_raw+ep { $program }, or leave them out with --no-packets
problem-join-one = --join runs one program: enchufe trace --join -- python3 cliente.py
problem-join-none = no running trace of yours is found; start one in another terminal, as in: enchufe trace 'python3 servidor.py'
problem-join-several = several traces of yours are running: { $all }; name one, as in: --join { $pid }
problem-join-no-such = no trace of yours has the number { $pid }; these are running: { $all }
problem-join-other-version = that trace is of another version of enchufe, which does not understand this one: { $program } was not started
problem-join-full = sixteen programs have joined that trace already: { $program } was not started; wait until one of them ends
problem-join-ending = that trace is about to end: { $program } was not started
problem-join-gone = the trace that { $program } had joined was killed, and { $program } with it
problem-join-failed = the trace cannot be joined: { $cause }
note-join-begun = { $program } joins the trace { $pid }: it runs in that network, and is on that ladder
note-join-ended = the trace has ended, and { $program } with it: it { $how }
problem-bad-rule = --link has no rule "{ $word }"; a rule is: lose|delay TIME|double client|server syn|data|ack|update|fin|rst|segment N[-M] (no more than 5s), with commas between them
problem-too-many-rules = --link has more than 64 rules
problem-link-on-host = --link needs the programs in a network of their own: leave out --net host
problem-link-refused = no link for the programs: { $cause }; it needs a network of their own (see: enchufe doctor) and access to /dev/net/tun
note-trace-loopback = the programs have no network of their own ({ $cause }): of this machine's loopback, their own connections are shown; for the whole picture: { $command }
note-trace-no-wire = the programs have no network of their own ({ $cause }), and packets may not be seen: calls, states and output without the wire; for the whole picture: { $command }
note-trace-private = the programs have a network of their own: calls, states and packets, and nobody else's traffic
note-trace-host = the programs run in this machine's network: of what passes there, their own connections are shown
note-trace-unprivileged = { $program } executes { $file } without the privilege that this file gives (setuid, setgid or capabilities): programs that are traced get none
obstacle-apparmor = AppArmor lets only programs with a profile make them; the one for enchufe is deploy/apparmor/enchufe
obstacle-setting = a setting of this system keeps them for root
obstacle-limit = no more of them may be made
obstacle-reached = as many as may be are there already
obstacle-seccomp = a filter of system calls is in force (seccomp), as containers have it
obstacle-kernel = this kernel has no user or network namespaces
obstacle-forbidden = the system forbids it
problem-trace-failed = the programs cannot be traced: { $cause }
note-trace-alone = { $program } listens on { $address }, in a network of its own: only programs that are traced with it can reach it. Start one from another terminal: enchufe trace --join -- COMMAND; or let it listen in this machine's network: --net host
note-astray-no-way = { $program } calls { $call } { $address }, and from a network of its own there is no way there; let it run in this machine's network: --net host
note-astray-bind = { $program } calls { $call } { $address }, and a network of its own has only loopback addresses (127.0.0.1, ::1); let it run in this machine's network: --net host
note-astray-listener = { $program } calls { $call } { $address }, and in its own network nobody listens there; in this machine's network { $listener } does: --net host, or trace that program, too
astray-somebody = another program
note-trace-silent = no call has come for 5 s, and these go on: { $programs }; Ctrl-C ends them and shows what was recorded
note-trace-no-shell = no shell is run, so { $word } means nothing special in { $command }; with a shell the command is: sh -c { $quoted }
note-trace-cut = more than { $size } of packets: of those after that, only the headers were recorded
note-trace-32-bits = { $program } is a program of 32 bits: its calls are not seen, so what it sends has none
note-trace-lost = { $count ->
    [one] one packet was lost, there was no room for it: causes near it may be missing
   *[other] { $count } packets were lost, there was no room for them: causes near them may be missing
}
problem-interface-down = the interface { $name } is down: nothing passes it; bring it up with: sudo ip link set { $word } up
problem-interface-gone = the interface { $name } is gone; there are: { $others } (and any, for all of them)
problem-capture-empty = { $path } is empty: it is no capture
problem-not-a-capture = { $path } is no capture: it begins with { $first }, which is neither pcap nor pcapng (nor one of them in gzip or zstd)
problem-capture-version = { $path }: version { $version } of that capture format is not known
problem-capture-unreadable = { $path } cannot be read as a capture: { $cause }
problem-capture-cut = { $path } is cut: what begins at byte { $offset } needs { $needed } bytes and { $have } are there; what is before was shown
problem-capture-damaged = { $path } is damaged at byte { $offset }: { $cause }; what is before was shown
problem-capture-cut-at-once = { $path } is cut before its first packet: what begins at byte { $offset } needs { $needed } bytes and { $have } are there
problem-capture-damaged-at-once = { $path } is damaged at byte { $offset }, before its first packet: { $cause }
problem-capture-broken = { $path } cannot be read further: { $cause }; what is before was shown
problem-demo = the demonstration stopped: { $what }
problem-refused = connect { $address }: connection refused, nobody listens there; start the server, or wait for it with --retry 5s
problem-refused-still = connect { $address }: nobody listened there in { $limit }; start the server or give more time with --retry
problem-resolve-timeout = getaddrinfo { $name }: no answer about its address in time; try again or give the address in numbers
problem-connect-timeout = connect { $address }: no answer in { $limit }; check the address, or whether something on the way drops it
problem-connect-failed = connect { $address }: { $cause }; check the address and the network
problem-interrupted = interrupted before it was done
problem-ended = the connection with { $peer } did not end well: { $why }
problem-not-acknowledged = not known to have arrived: { $why } before { $peer } had acknowledged everything
problem-not-told = not known to have arrived: { $why }, and this system does not tell what { $peer } had acknowledged
problem-echo-missing = the echo is not complete: { $missing ->
        [one] 1 byte
       *[other] { $missing } bytes
    } did not come back
problem-echo-differs = the echo differs: at position { $offset } { $sent } was sent and { $came } came back
problem-no-line = a line was expected and no end of line came
problem-too-few = not all that was expected came: bytes expected { $wanted }, bytes that came { $came }
problem-too-many = more came than was expected: { $extra ->
        [one] 1 byte
       *[other] { $extra } bytes
    } too many
problem-drain-cut = { $cut ->
        [one] 1 connection was cut
       *[other] { $cut } connections were cut
    } at the end; --drain gives more time

## Help

heading-usage = Usage
heading-commands = Commands
heading-arguments = Arguments
heading-options = Options
heading-common = In every command

usage-enchufe = enchufe COMMAND [OPTIONS]
usage-serve = enchufe serve SERVICE [ANSWER] [OPTIONS]
usage-send = enchufe send HOST:PORT [MESSAGE] [OPTIONS]
usage-read = enchufe read FILE... [FILTER] [OPTIONS]
usage-watch = enchufe watch [FILTER] [OPTIONS]
usage-trace = enchufe trace 'COMMAND' ['COMMAND' ...] [OPTIONS] | enchufe trace --join [PID] -- COMMAND
usage-doctor = enchufe doctor [OPTIONS]
usage-demo = enchufe demo [MESSAGE] [OPTIONS]
usage-completions = enchufe completions SHELL
usage-man = enchufe man [DIRECTORY]

value-FILE = FILE
value-FILES = CERTIFICATE,KEY
value-NAMES = NAMES
value-ENGINE = ENGINE
value-NUMBERS = NUMBERS
value-words = FILE
value-filter = FILTER
value-FILTER = FILTER
value-SIZE = SIZE
value-RULES = RULES
value-TIME = TIME
value-ADDRESS = ADDRESS
value-SOURCE = ADDR[:PORT]
value-INTERFACE = NAME|any
value-OPTIONS = OPTIONS
value-service = SERVICE
value-answer = ANSWER
value-target = HOST:PORT
value-message = MESSAGE
value-program = COMMAND
value-programs = COMMAND
value-file = FILE
value-shell = SHELL
value-directory = DIRECTORY

about-enchufe = TCP sockets, from the line of code to the wire: servers, clients and what happens between them
after-enchufe = To begin with: enchufe demo
about-demo = The whole practice: three pairs of a server and a client, with the wire between them where that can be seen
about-serve = Starts a TCP server and tells what happens
after-serve = Services:
      echo      sends back what comes, until the peer ends
      receive   shows what comes
      reply     answers ANSWER once and closes
      ask       shows what comes and you type the answer
      discard   throws away what comes
      chargen   sends characters without end
      daytime   sends date and time and closes
      exec      runs a program for each connection, which is its standard input and output

    Addresses: 4000 or :4000 is this machine only; 0.0.0.0:4000 is the whole IPv4 network, [::]:4000 the IPv6 one, *:4000 both.
    Usual ports: 4000 for echo, ask and the others; 8080 for receive and reply. Ctrl-C ends it.

    Examples:
      enchufe serve echo
      enchufe serve echo --engine blocking --backlog 1 --read-size 19
      enchufe serve reply 'Hello from the server' --once --listen 0.0.0.0:8080
      enchufe serve exec -- cat
about-send = Connects to a TCP server, sends and shows the answer
after-send = Without MESSAGE it sends its input; if that is a terminal, it asks for each message (Ctrl-D ends).
    The answer goes to standard output, everything else to standard error.

    Examples:
      enchufe send 127.0.0.1:4000 'Here is the message' --expect echo
      enchufe send 127.0.0.1:8080 'Hello, server!' --no-reply
      enchufe send server:4000 --retry 10s < file > answer
about-read = Reads a capture (pcap or pcapng, also in gzip or zstd) and shows it as Wireshark's table
about-watch = Shows the packets that pass an interface, as Wireshark's table (usually on lo; Ctrl-C ends)
after-watch = Where addresses, ports or protocols tell that a packet cannot fit FILTER, the kernel leaves it out, and numbers and times count the others (-v says whether).
about-trace = Runs programs and shows which call, on which line of code, put which segment on the wire
after-trace = Each COMMAND is one program, split into words as a shell does; after -- stands one without quotes. A program starts as soon as the one before listens, connects or ends. They run in a network of their own: no port is taken, nobody else is reached, and no privilege is needed.
about-doctor = What this machine, its kernel and this user allow, what that gives, and how to get the rest
doctor-yes = yes
doctor-no = no
doctor-namespaces = a network of their own for traced programs
doctor-ptrace = the calls of traced programs
doctor-seccomp = traced programs stop at the calls that matter only
doctor-capture = packets of this machine's own network: watch, and trace --net host
doctor-link = a link on which segments are lost, late or doubled: trace --link
doctor-tracefs = the kernel's own list of TCP states
doctor-io-uring = programs that use io_uring: trace --io-uring allow
doctor-descriptors = open files and sockets at once: { $count } (connections of serve --engine uring are none of them)
doctor-change = change it: { $command }
arg-trace-programs = The programs, in the order in which they start
arg-trace-program = One program and its arguments, after --
about-completions = Writes the file that completes commands in your shell
about-man = Writes the manual pages into a directory

arg-serve-service = Which service
arg-serve-answer = What "reply" answers; what "exec" runs
arg-send-target = To whom: 127.0.0.1:4000, name:4000, [::1]:4000; 4000 is this machine
arg-send-message = What to send, as it is
arg-read-words = Captures, or - for standard input; then, if it is no file, a display filter of Wireshark: 'tcp.port == 8080'
arg-watch-filter = Which packets, as a display filter of Wireshark: 'tcp.port == 8080'
arg-demo-message = What the echo client sends
arg-completions-shell = bash, zsh, fish, elvish or powershell
arg-man-directory = Where to write them

flag-lang = Language of the texts; else the system's
flag-color = Colours; NO_COLOR takes them away too
flag-quiet = Do not tell what happens
flag-verbose = Tell more details of the same
flag-help = Show this help
flag-version = Show the version
flag-json = One JSON object a line on standard output
flag-hex = Payload in hexadecimal
flag-timestamps = The time before each line
flag-log = Also write what happens to FILE, with date and time
flag-first-byte = Close if not one byte comes for this long
flag-idle = Close if nothing comes or goes for this long
flag-deadline = Close this long after the connection was made, whatever happens
flag-read-size = Bytes that each read asks for (65536; a server may ask for more while much comes)
flag-ipv4 = IPv4 only
flag-ipv6 = IPv6 only
flag-socket = Socket options: nodelay, keepalive=30s, sndbuf=N, rcvbuf=N, linger=0s
flag-newline = Add an end of line (LF) to each message
flag-crlf = Add CR LF to each message
flag-tsv = The bare rows, separated by tabs
flag-one-pass = Read once only: rows do not know what comes later
flag-filter = Which packets, as a display filter of Wireshark; then every other word is a capture
flag-in-order = Read several captures one after the other, not in the order of their times
flag-view = What is shown: packets, conversations, findings, ladder, or of traced programs calls (read: packets; trace: ladder)
flag-explain = Tell each conversation in sentences: handshake, data, acknowledgements, end, and what was found
flag-ladder = The same as --view ladder: the segments of each conversation as arrows between its ends, their states and causes
flag-conversation = Only conversation N, in the table and in every view; a ladder of it is written while it is read
flag-follow = Only the bytes of conversation N, in order; what the capture lacks is shown as a gap
flag-follow-as = How --follow shows them: text, hex, or raw, which is the bytes and nothing else (text)
flag-packet = Only packet N: its layers and fields with the place of their bytes, and all bytes in hexadecimal
flag-write = Write the packets to FILE, as pcapng in nanoseconds (of read and watch: no rows are shown then, and - is standard output; of trace: with what the calls did)
flag-columns = The columns: number, time, source, destination, protocol, length, info, or fields of the filter language
flag-time = What the time column shows (relative: since the first frame)
flag-interface = The interface (lo); any: all of them
flag-count = End after N packets shown
flag-duration = End after this time
flag-list = Only name the interfaces
flag-snaplen = Keep so many bytes of each packet (262144)
flag-promiscuous = Ask the interface for packets to others, too
watch-begun = Watching { $place }; Ctrl-C ends
watch-written = { $shown ->
        [one] { $shown } packet written
       *[other] { $shown } packets written
    }, { $dropped ->
        [one] { $dropped } lost for want of room
       *[other] { $dropped } lost for want of room
    }
watch-ended = { $shown ->
        [one] { $shown } packet shown
       *[other] { $shown } packets shown
    }, { $dropped ->
        [one] { $dropped } lost for want of room
       *[other] { $dropped } lost for want of room
    }
watch-prefilters = The kernel leaves out packets that cannot fit the filter; numbers and times count the others
watch-takes-all = Every packet is looked at: with this filter, these columns or this --snaplen the kernel can leave none out
watch-forgets = there are more conversations than memory is kept for: for each new one the longest idle one is now forgotten; what then comes of it counts as new
watch-forgotten = { $count ->
        [one] { $count } conversation was
       *[other] { $count } conversations were
    } forgotten to keep memory bounded
interface-up = up
interface-down = down
flag-listen = Where to listen; may be repeated; port 0 lets the system choose
flag-engine = blocking: one connection at a time; threads: a thread each; epoll, uring: a few threads for all; auto: the one of them that holds most here (the usual one)
flag-threads = How many threads epoll and uring have; auto is one for each processor that this program may use (the usual)
flag-cpus = Processors that those threads run on, one after the other, as in 0-3,6; auto: a processor for each thread, where there are as many (the usual); off: where the system likes
flag-busy-poll = For how long those threads look for what comes before they wait for it, which saves time and takes a processor; auto: where it pays; off (the usual)
flag-once = Only once: one connection in serve, one message in send
flag-accept = End after N connections
flag-backlog = How many connections may wait to be accepted (4096)
flag-max-connections = How many to serve at a time; the others are answered with a reset
flag-until = When a message is complete: quiet, when no more comes; line, at the end of a line
flag-quiet-time = How much silence completes a message (50ms)
flag-drain = At the end, how much time is given to what is still open: connections (5s), traced programs (1s)
flag-metrics = Where to answer by HTTP: /metrics, counters for Prometheus; /healthz, whether it lives; /readyz, whether it takes connections
flag-events = Events of connections to tell: all; none; fold: 100 a second, and how many more there were (usual; in receive, all)
flag-status = A line a second on standard error: connections that are open, accepted, refused; bytes in and out
flag-tls = Speak TLS: a server with its certificate and key, two files in PEM; a client with a server whose certificate is good for HOST
flag-tls-ca = With --tls: trust whom these certificates in PEM name, authorities or the very server, and not those that the system trusts
flag-start-timeout = How long a program may take until it listens, connects or ends, before the next one starts (10s)
flag-start-anyway = Start the next program also when that time is over
flag-exit-status = End with the status of the last program (128 and the number of the signal that ended it), not with 0
flag-stdin = Which program, counted from 1, reads standard input (the last one)
flag-limit = How much of the packets is recorded whole; of later ones only the headers: 64MiB, 1GiB (256MiB)
flag-pid = A program that runs already: not offered
flag-join = Run one program in the network of a trace that is running, on whose ladder it appears; PID where there are several
flag-net = Where the programs run: in a network of their own (private) or in this machine's (host)
flag-no-packets = Do not look at packets: calls, states and output only
flag-no-lines = Do not look for the lines of code that make the calls: programs are held for less time
flag-io-uring = Whether programs may use io_uring, whose calls are not seen: if not, they are told that there is none (refuse)
flag-link = Make loopback a link on which segments are lost, late or doubled by RULES: "lose client data 2, delay 50ms server ack 1-3, double client fin 1"
flag-pty = Give each program a terminal of its own (so it is where standard output is one)
flag-pipes = Give each program pipes instead of a terminal
flag-file = Send what is in FILE
flag-expect = What is to come; if it does not, the exit code is 1
flag-no-reply = Do not wait for an answer: over when the peer's TCP has acknowledged everything
flag-wait = How long --no-reply waits for the acknowledgement, or --expect nothing for silence (5s)
flag-no-half-close = Do not close the sending direction at the end of the input
flag-retry = Try again while nobody listens, for this long
flag-connect-timeout = How long connecting may take
flag-source = From which address (and port) of this machine

## The client that asks, and the demonstration

column-number = No.
column-time = Time
column-source = Source
column-destination = Destination
column-protocol = Protocol
column-length = Length
column-info = Info
column-cause = Cause
kind-protocol = a protocol
kind-number = numbers
kind-flag = yes or no
kind-ipv4 = IPv4 addresses
kind-ipv6 = IPv6 addresses
kind-ether = hardware addresses
kind-bytes = bytes
kind-text = text
kind-seconds = times
kind-label = nothing but being there
prompt-message = Give me a message:{" "}
status = { $open } open, { $accepted } accepted/s, { $refused } refused/s, { $received }/s in, { $sent }/s out
progress-send = sent { $sent }, received { $received } ({ $elapsed })
progress-read = read { $percent } % ({ $elapsed })
progress-read-stream = read { $read } ({ $elapsed })
shown-written = Written: { $path }
demo-message = Here is the message
demo-client-message = Hello from the client
demo-server-answer = Hello from the server
demo-one-way = Hello, server!
demo-title-echo = Practice 1: an echo server and its client
demo-title-receive = Practice 2: a server for one connection, and a client that sends and closes
demo-title-reply = Practice 3: a server that answers
demo-port-taken = (port { $port } is taken: a free one is used)
demo-client = client
demo-server = server
demo-end = Each line was told by one of the two programs when it happened. Try it yourself in two terminals:
demo-lanes = On the left the client, on the right the server, between them the wire: segments, and the states of both ends
demo-end-traced = Both programs ran in a network of their own, traced. Try it yourself in two terminals; enchufe trace 'COMMAND' 'COMMAND' shows any programs so:
note-demo-no-network = without the wire, for the programs have no network of their own ({ $cause }); for the whole picture: { $command }
note-demo-no-trace = without the wire, for programs may not be traced here ({ $cause }); what is missing: enchufe doctor

## What a capture says

finding-unanswered = a SYN that nobody answered
why-unanswered = A firewall drops it, the machine is off, or the answer goes another way: a capture at the other end shows whether the SYN arrives
finding-refused = a reset answered the SYN: nobody listens there
why-refused = The server is not running or listens on another address or port; a firewall that rejects looks the same: ask the server's machine which ports listen
finding-data-after-close = data came after its receiver had closed, and was answered with a reset
why-data-after-close = One side closed its socket while the other was still sending: the two programs disagree about who says the last word
finding-unread = inferred: closed with bytes unread, for its sender had got data and sent none after it
why-unread = To close a socket whose received bytes were not read sends a reset instead of a FIN; a linger time of zero, or something on the way, would look the same: which one it was, only the sender's calls tell
finding-aborted = a reset ended an open connection
why-aborted = Closed with a linger time of zero, or something on the way that forgot a long idle connection, or, if data had come, closed with bytes of it unread: which one it was, only the sender's calls tell
finding-half-closed = only one side sent its FIN
why-half-closed = The other program did not close its socket (a leaked descriptor shows so), or the capture ended before
finding-reused-ports = a connection on ports that another one had used
why-reused-ports = A client that opens many short connections, or binds its port: harmless unless the old connection was still open
finding-retransmission = bytes sent again
why-retransmission = A segment or its acknowledgement was lost, or the timer was too short, or the last segment was sent again early as a tail loss probe (RFC 8985 §7): if the peer acknowledges twice, the first one had arrived
finding-fast-retransmission = bytes sent again after duplicate acknowledgements
why-fast-retransmission = A segment was lost and later ones arrived: ordinary where a link is full
finding-spurious-retransmission = bytes sent again that had been acknowledged
why-spurious-retransmission = The acknowledgement was lost or late, so the sender did not know
finding-out-of-order = bytes that arrived after later ones
why-out-of-order = Packets took several ways, or the capture mixed them: in a capture made at the sender it is the capture
finding-lost-segment = bytes before this segment are not in the capture
why-lost-segment = Lost on the way, or missed by the capture: if the peer acknowledges them without a second sending, the capture missed them
finding-ack-lost-segment = it acknowledges bytes that are not in the capture
why-ack-lost-segment = The peer has them, so the capture missed them
finding-window-update = only the window changed
why-window-update = The program read, and there is room again
finding-window-full = it fills the peer's window to the last byte
why-window-full = The receiver's program reads more slowly than bytes come, or its buffer is small for this delay
finding-window-probe = inferred: a window probe, for the peer's window is closed
why-window-probe = The sender has more and asks whether there is room again; with nothing to send it would be a keep-alive, which looks the same
finding-keep-alive = a keep-alive: is anybody there?
why-keep-alive = The connection is idle and SO_KEEPALIVE is on
finding-keep-alive-ack = the answer to a keep-alive
why-keep-alive-ack = The peer is there
finding-duplicate-ack = the same acknowledgement again
why-duplicate-ack = A segment arrived whose forerunner is missing; three in a row make the sender repeat
finding-zero-window-probe = one byte into a closed window
why-zero-window-probe = The sender asks whether there is room again
finding-zero-window = the window is closed
why-zero-window = The receiver's program does not read: it is busy or it waits for something else
finding-zero-window-probe-ack = the answer to a probe, the window still closed
why-zero-window-probe-ack = There is still no room
severity-warn = warning
severity-note = note
severity-chat = chat
findings-none = Nothing that deserves attention.
findings-left-out = { $count ->
    [one] one more was
   *[other] { $count } more were
 } found than are kept
column-conversation = Conv.
column-a = A
column-b = B
column-packets = Packets
column-bytes = Bytes
column-from-a = Bytes A → B
column-from-b = Bytes B → A
column-duration = Duration
column-handshake = Handshake
column-retransmissions = Retransmitted
column-end = End
column-rfc = RFC
column-severity = Severity
column-finding = Finding
end-open = not in this capture
follow-gap = { $side } [{ $count ->
    [one] 1 byte is
   *[other] { $count } bytes are
 } not in the capture]
end-closed = both closed
end-half-closed = only { $who } closed
end-reset = reset by { $who } in { $frame }
role-client = the client
role-server = the server
story-head = Conversation { $stream }: { $a } and { $b }
story-handshake = Handshake in { $frames }: { $client } is the client, { $server } the server
story-handshake-part = Of the handshake only { $frames } was seen: { $client } is the client, { $server } the server
story-no-handshake = Its beginning is not in the capture
story-turn = { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } from { $who } in { $frames }{ $segments ->
    [one] {""}
   *[other] {" "}({ $segments } segments)
 }{ $again ->
    [yes] {", "}some bytes more than once
   *[no] {""}
 }, { $acked ->
    [yes] acknowledged by { $by }
   *[no] not acknowledged in this capture
 }
story-no-data = No data
story-turns-left-out = And { $count } more segments with data, which are counted and not listed
story-close-first = Closing: { $who } first, in { $frames }{ $acked ->
    [yes] {""}
   *[no] {" "}(not acknowledged in this capture)
 }
story-close-then = Then { $who }, in { $frames }{ $acked ->
    [yes] {""}
   *[no] {" "}(not acknowledged in this capture)
 }
story-reset = Reset by { $who } in { $frame }{ $answers ->
    [0] {""}
   *[other] {", "}answering { $answers }
 }, { $idle } after the packet before it
finding-by = { $finding }, by { $who }
finding-reset = { $finding }, by { $who }{ $answers ->
    [0] {""}
   *[other] {", "}answering { $answers }
 } ({ $idle } after the packet before it)
story-open = Its end is not in the capture
story-in-order = Every byte once and in order
story-disorder = Not every byte once and in order: segments with bytes that had come before: { $repeated }; segments with bytes missing before them: { $early }; acknowledgements of bytes that were not seen: { $unseen }
story-others = { $count ->
    [one] Frame { $frames } belongs
   *[other] Frames { $frames } belong
 } to no TCP conversation
story-finding = { $severity }: { $finding } ({ $frames }; RFC { $rfc } §{ $section })
ladder-head = Conversation { $stream }: { $a } is the client, { $b } the server
ladder-head-both = Conversation { $stream }: { $a } and { $b }; each opened it, at the same time
ladder-head-itself = Conversation { $stream }: { $a } is connected with itself: which side sent a segment cannot be told
ladder-head-unknown = Conversation { $stream }: A is { $a }, B is { $b }; its beginning is not in the capture
ladder-legend = In parentheses: inferred. The segments fit it, and do not prove it
ladder-others = { $count ->
    [one] 1 frame belongs
   *[other] { $count } frames belong
 } to no TCP conversation
note-ladder-cut = conversation { $stream } goes on for { $count ->
    [one] 1 more segment, which is
   *[other] { $count } more segments, which are
 } not shown to keep memory bounded; --conversation { $stream } shows all
note-ladder-left-out = { $count ->
    [one] 1 segment belongs
   *[other] { $count } segments belong
 } to conversations that are not shown, or not whole, to keep memory bounded; --conversation N shows any of them
lane-client = client
lane-server = server
cause-answers = answers #{ $frame }
cause-opens = asks for a connection
cause-acknowledges = acknowledges { $frames }
cause-acknowledges-part = acknowledges a part of #{ $frame }
cause-acknowledges-unseen = acknowledges what the capture lacks
cause-repeats-acknowledgement = acknowledges the same as #{ $frame }
cause-repeats = repeats { $frames }
cause-repeats-part = repeats { $frames }, and more
cause-leaves-gap = bytes before it have not come
cause-ends = ends: no more bytes
cause-keep-alive = asks: are you there?
cause-window-probe = asks: is the window still closed?
cause-window-update = window { $from } → { $to }
cause-refuses = refuses the connection
cause-resets-data-after-close = resets: it had closed
cause-resets-unread = resets: bytes left unread
cause-aborts = resets the connection
trace-exited = exits with { $status }
trace-killed = ended by { $signal }
trace-legend = In parentheses: inferred. What is known fits it, and does not prove it
trace-legend-conversations = c0, c1, …: the conversation that a segment or a call belongs to
trace-legend-threads = t1, t2, …: the threads and processes of a program, in the order in which they did something
trace-caused-listens = by the kernel, for that call
trace-caused-completes = by the kernel, for that call
trace-caused-writes-again = again
trace-caused-leaves-unread = bytes were left unread
trace-caused-aborts = SO_LINGER is 0
trace-caused-dissolves = the connection is dissolved
trace-caused-leaves-unaccepted = the connection was never accepted
trace-caused-was-gone = the socket was closed already
trace-caused-takes = there is room again
trace-caused-more = → { $count ->
    [one] 1 more segment
   *[other] { $count } more segments
 }
note-calls-left-out = { $count ->
    [one] 1 row is
   *[other] { $count } rows are
 } not shown, to keep memory bounded; --json writes all
trace-bulk = { $count } segments
trace-bulk-frames = #{ $first } … #{ $last }, { $acks ->
    [one] 1 ACK
   *[other] { $acks } ACKs
 }
summary-opened = Conversation { $stream }: { $who } opened it
summary-opened-both = Conversation { $stream }: both ends opened it
summary-not-opened = Conversation { $stream }: who opened it is not in the recording
summary-ended = { $who } sent the first FIN (#{ $frame })
summary-reset = { $who } reset it (#{ $frame })
summary-open = no FIN and no RST in the recording
summary-side = { $who }: { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } in { $segments ->
    [one] 1 segment
   *[other] { $segments } segments
 }, { $calls ->
    [one] 1 call
   *[other] { $calls } calls
 }
summary-waited = time in { $calls }
summary-taken-off = (the { $time } in which tracing held a program are taken off)
summary-off-multipath = { $who } uses MPTCP, or a socket of it: which calls wrote its bytes is not told
summary-off-other-bytes = { $who } sends other bytes than its calls write (TLS in the kernel, TCP_REPAIR): which calls they are of is not told
summary-off-unseen-calls = { $who } is used by calls that are not seen, too: which bytes are whose is proved only where the kernel's counters tell
summary-others = Other sockets, whose calls are not followed: { $sockets }
summary-another = of other kinds
summary-held = Tracing held the programs for { $time } in all; the times of the rows have that, and what it adds besides, in them
summary-causes = causes of its segments: { $proved } proved, { $inferred } inferred
summary-more = { $count ->
    [one] 1 more conversation is
   *[other] { $count } more conversations are
 } not summed up here
told-call = { $call } at { $file }:{ $line }
told-opens = { $who } opens it with { $calls } ({ $frames })
told-listens = The kernel answers for { $who }, which listens since { $calls } ({ $frames })
told-accepts = { $who } takes it with { $calls }, which took { $time }
told-writes = { $who } sends { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } with { $calls } in { $count ->
    [one] 1 segment
   *[other] { $count } segments
 } ({ $frames })
told-writes-again = Bytes that { $who } wrote with { $calls } are sent again ({ $frames })
told-reads = { $who } reads { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } with { $calls } in { $count ->
    [one] 1 call
   *[other] { $count } calls
 }{ $known ->
    [yes] {" "}(they came with { $frames })
   *[no] {""}
 }
told-ends = { $who } ends its stream with { $calls } ({ $frames })
told-leaves-unread = { $who } resets it ({ $frames }): { $calls } closed the socket with bytes that nobody had read, at least { $bytes }
told-aborts = { $who } resets it ({ $frames }): { $calls } closed the socket, and its SO_LINGER is 0
told-dissolves = { $who } resets it with { $calls } ({ $frames })
told-leaves-unaccepted = { $who } resets it ({ $frames }): { $calls } closed the listening socket before anybody accepted it
told-was-gone = The kernel resets it for { $who } ({ $frames }): { $calls } had closed the socket before
told-not-accepted = No accept that took it is in the recording
told-inferred = { $text } (inferred)
told-left-out = { $count ->
    [one] 1 more step of its calls is
   *[other] { $count } more steps of its calls are
 } not told, to keep memory bounded
trace-recording = the recording
trace-bulk-closed = window closed { $count ->
    [one] once
   *[other] { $count } times
 }
trace-process = process { $number } begins
trace-thread = thread { $number } begins
trace-signalled = gets { $signal }
remarks-head = Worth a second look:
remarks-of = Conversation { $stream }:{" "}
remarks-more = { $count ->
    [one] 1 more remark is
   *[other] { $count } more remarks are
 } not written here; --json writes them, as far as they were kept
told-remark = Worth a second look: { $text }
remarked-small-writes = { $who } sends { $bytes } bytes in { $count } segments in a row that are shorter than their headers, with { $calls } (from #{ $first } on)
remarked-why-small-writes = Each segment has 40 bytes of headers or more, and each call enters the kernel: put together what belongs together, and write it with one call (or with writev, MSG_MORE, TCP_CORK)
remarked-small-reads = { $who } reads { $bytes } bytes with { $count } calls in a row that each got all that they asked for while more was there: { $calls }
remarked-why-small-reads = A larger buffer takes what is there with one call; who answers each piece by itself also sends a segment for each
remarked-nagle-delayed-ack = What { $who } wrote with { $calls } waited for the acknowledgement of #{ $first }, which the peer gave after { $time } (#{ $second }, then #{ $third })
remarked-why-nagle-delayed-ack = Nagle's algorithm holds a short segment back while another is not acknowledged (RFC 9293 §3.7.4), and the peer delays its acknowledgement in case an answer goes with it (§3.8.6.3): write both parts with one call, or set TCP_NODELAY
remarked-left-unread = { $who } resets the connection (#{ $first }): { $calls } closed the socket with { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } unread, at least
remarked-why-left-unread = What was not read is lost; the reset tells the peer, and may take from it an answer that it has not read yet (RFC 2525 §2.17): read until recv gives 0 bytes, then close
remarked-answered-before-all-read = { $who } answers with { $calls } while { $bytes ->
    [one] 1 more byte of its peer waits
   *[other] { $bytes } more bytes of its peer wait
 } to be read
remarked-why-answered-before-all-read = TCP carries a stream, not messages: recv gives what has come, which can be a part of a message or more than one; read until a message is whole, by its length, by the end of its line or by the end of the stream
remarked-sent-to-gone = Bytes come to { $who } for a socket that { $calls } had closed, and a reset answers them (#{ $first })
remarked-why-sent-to-gone = The two programs do not agree on who says the last word: shutdown (SHUT_WR) says "no more from me" and lets the program read on; close when recv gives 0 bytes
remarked-nothing-there = { $who } asks { $count } times in a row, within { $time }, and nothing is there (EAGAIN): { $calls }
remarked-why-nothing-there = Each of these calls takes time and gives nothing: poll, select or epoll wait until there is something
remarked-short-writes = { $count ->
    [one] One call of { $who } took
   *[other] { $count } calls of { $who } took
 } less than was given to be sent, { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } less in all: { $calls }
remarked-why-short-writes = A call that writes takes a part where the buffer of the socket is full; its result says how much, and the rest has to be written again (sendall of Python does that)
remarked-left-to-exit = { $who } ends without closing the connection, and so the kernel closes it
remarked-why-left-to-exit = In a program that goes on, what is not closed stays open: its peer waits for an end that does not come, and descriptors run out
remarked-timer-moved = { $count ->
    [one] A timer of { $who } ran out and sent #{ $frames }
   *[other] Timers of { $who } ran out and sent { $count } segments (#{ $frames })
 }: in the wait before, tracing held programs for { $time }
remarked-why-timer-moved = Without tracing the programs may have been faster than the timer, and what it sent may have gone with other bytes, later, or not at all
trace-a-program = a program
trace-a-call = a call
trace-its-end = its end by a signal
trace-by-listens = kernel, for { $calls }
trace-by-completes = kernel, for { $calls }
trace-by-writes-again = bytes of { $calls }, again
trace-by-leaves-unread = { $calls } left bytes unread
trace-by-aborts = { $calls } aborts (SO_LINGER 0)
trace-by-dissolves = { $calls } dissolves it
trace-by-leaves-unaccepted = { $calls } left it unaccepted
trace-by-was-gone = { $calls } had closed it
trace-by-takes = { $calls } made room
trace-now-inside = inside { $call }
trace-arrives-again = · #{ $frame } again ·
trace-now-answers = answers #{ $frame }
trace-now-released-window = #{ $frame } opened the window
trace-now-released-nagle = waited for #{ $frame } (Nagle)
trace-now-released-flight = #{ $frame } made room
trace-now-uncorked = { $call } let it go
trace-now-timer-retransmission = retransmission timer
trace-now-timer-tail-loss-probe = tail loss probe
trace-now-timer-delayed-ack = delayed acknowledgement
trace-now-timer-keep-alive = keep-alive timer
trace-now-timer-window-probe = window probe timer
trace-now-timer-cork = cork timer
note-facts-newer = the recording has facts of version { $version }, which only a newer enchufe can read: { $count ->
    [one] one of them is
   *[other] { $count } of them are
 } not shown
note-facts-broken = { $count ->
    [one] one fact of the recording could not be read: it is damaged
   *[other] { $count } facts of the recording could not be read: they are damaged
}
remark-reused-ports = ports used again
remark-retransmission = retransmission
remark-fast-retransmission = fast retransmission
remark-spurious-retransmission = needless retransmission
remark-out-of-order = out of order
remark-lost-segment = bytes before it not captured
remark-ack-lost-segment = acknowledged segment not captured
remark-window-update = window update
remark-window-full = window full
remark-keep-alive = keep-alive
remark-keep-alive-ack = keep-alive answered
remark-duplicate-ack = duplicate acknowledgement
remark-zero-window-probe = window probe
remark-zero-window = window closed
remark-zero-window-probe-ack = probe answered
note-forgotten = { $count } conversations were forgotten to keep memory bounded: they are not listed
note-not-remembered = { $count } fragments, echo requests, addresses and UDP conversations were not remembered to keep memory bounded: rows that would name their partner or number do not
note-copied = { $count ->
    [one] 1 packet
   *[other] { $count } packets
 } written to { $path }
note-untold = { $count } packets are of conversations past those that are told, or in stretches past those that are listed
note-backwards = times run backwards at packet { $frame }: they are shown as they are
note-unknown-link = packet { $frame } has the link type { $link }, which is not decoded: the rows of such packets show their time and length, no more; other programs decode more of https://www.tcpdump.org/linktypes.html
note-not-copied = { $count ->
    [one] 1 custom block was left out
   *[other] { $count } custom blocks were left out
 }: only its maker may copy such a block, or know how
note-lost = the program that captured { $path } lost { $count ->
    [one] 1 packet: what is missing
   *[other] { $count } packets: what is missing
 } may be its fault, not the network's
