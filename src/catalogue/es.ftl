### Los textos en español (México, de tú). Los mismos identificadores que en.ftl.

## Lo que pasa en una conversación

event-winsock_started = Winsock { $version } inicializado
event-starting = Empezando a levantar { $ip } puerto { $port }
event-socket_made = Socket creado para { $address }
event-options = Opciones del socket, como las informa el sistema: { $options }
event-bound = Enlazado a { $address }
event-inherited = Se recibió un socket que ya escucha: { $address } (descriptor { $descriptor }{ $named })
event-listening = Escuchando en { $address } (hasta { $backlog } en espera): { reach }
event-metrics_listening = Métricas en http://{ $address }/metrics: { reach }
reach = { $reach ->
        [this_machine] solo se puede conectar esta computadora
        [every_interface] se puede conectar cualquiera que llegue a esta computadora por la red
       *[one_address] se puede conectar cualquiera que llegue a esa dirección
    }
event-skipped = Sin { $address }: { $call } dice «{ $cause }»; basta con la otra familia de direcciones
event-engine = { $name ->
        [blocking] Motor blocking: una conexión a la vez
        [threads] Motor threads: un hilo por conexión
       *[other] Motor { $name }: { $threads ->
            [one] un hilo
           *[other] { $threads } hilos
        } para todas las conexiones
    }
event-waiting = Esperando una conexión
event-queued = { $count ->
        [one] Espera su turno, ya conectado: { $peers }
       *[other] Esperan su turno, ya conectados: { $peers }
    }
event-accepted = Conexión desde { $peer }
event-secured = Protegida con TLS { $version } ({ $cipher }){ $asked ->
        [yes] , para { $server_name }
       *[no] {""}
    }{ $resumed ->
        [yes] , se retomó una sesión
       *[no] {""}
    }
event-program_started = Arrancó el programa (proceso { $pid })
event-program_ended = { $how ->
        [signal] Al programa lo terminó la señal { $code }
       *[exit] El programa terminó con el código { $code }
    }
event-received = Recibido ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-incomplete = La conexión terminó a la mitad de un carácter: { $text }
event-returning = Devolviendo { $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    } a { $peer }
event-answered = Respondido a { $peer } ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-question = { $peer } pregunta{ $quoted }. Escribe la respuesta y presiona Entrar
event-question_waits = La pregunta de { $peer } espera su turno ({ $ahead ->
        [one] hay 1 antes
       *[other] hay { $ahead } antes
    })
event-question_withdrawn = { $peer } se fue; su pregunta ya no espera respuesta
event-line_ignored = Nadie ha preguntado: esa línea no se envió a nadie
event-operator_left = Ya no habrá respuestas: se cerró el teclado
event-peer_ended = No hay más datos de { $peer }
event-discarded = { $bytes ->
        [one] Se descartó 1 byte que llegó sin que nadie lo esperara
       *[other] Se descartaron { $bytes } bytes que llegaron sin que nadie los esperara
    }
event-closed = Conexión con { $peer } cerrada: { $why } (recibidos { $received }, enviados { $sent }{ $unsent ->
        [0] {""}
       *[other] , sin enviar { $unsent }
    } bytes; duró { $lasted })
event-short = { $of ->
        [connections] Se llegó al máximo de conexiones ({ $limit }): a las nuevas se les responde con un reinicio
        [descriptors] No quedan descriptores: las conexiones nuevas esperan en la cola hasta que se libere uno (se amplía con «ulimit -n»)
        [threads] El sistema no da más hilos: a las conexiones nuevas se les responde con un reinicio
        [accept] accept falla una y otra vez («{ $cause }»): las conexiones nuevas esperan en la cola, y se intenta de nuevo cada segundo
        [watches] El sistema no vigila más conexiones para este usuario («sysctl fs.epoll.max_user_watches» dice cuántas): a las nuevas se les responde con un reinicio
        [ring] El sistema no acepta más sockets en anillos («{ $cause }»): a esta conexión se le responde con un reinicio, las demás esperan en la cola y se vuelve a probar cada segundo
       *[memory] El sistema no tiene memoria para más sockets: las conexiones nuevas esperan en la cola
    }
event-folded = { $count ->
        [one] Y un evento más de las conexiones en ese segundo
       *[other] Y { $count } eventos más de las conexiones en ese segundo
    } (con --events all se muestra cada uno)
event-draining = Terminando: { $open ->
        [one] queda 1 conexión, que tiene { $limit } para acabar (otro Ctrl-C la corta)
       *[other] quedan { $open } conexiones, que tienen { $limit } para acabar (otro Ctrl-C las corta)
    }
event-queue_cut = { $count ->
        [one] Una conexión esperaba turno: el sistema la reinició
       *[other] { $count } conexiones esperaban turno: el sistema las reinició
    }
event-stopped = Fin: { $served ->
        [one] 1 conexión atendida
       *[other] { $served } conexiones atendidas
    }{ $cut ->
        [0] {""}
        [one] , 1 cortada
       *[other] , { $cut } cortadas
    }{ $empty ->
        [0] {""}
       *[other] , { $empty } sin un solo byte
    }
event-resolving = Buscando las direcciones de { $name }
event-resolved = { $name } está en { $addresses }
event-connecting = Conectando a { $ip } puerto { $port }
event-attempt_failed = { $address } no: { $cause }
event-retrying = Nadie escucha todavía en { $address }; se reintenta durante { $limit }
event-connected = Conectado a { $address } desde { $local } (en { $took })
event-sending = Enviando ({ $bytes ->
        [one] 1 byte
       *[other] { $bytes } bytes
    }){ $quoted }
event-half_closed = Medio cierre: ya no se envía más, se sigue recibiendo
event-acknowledged = { $bytes ->
        [one] Confirmado por el TCP del otro extremo: 1 byte
       *[other] Confirmado por el TCP del otro extremo: { $bytes } bytes
    } y el fin (eso no prueba que su programa los haya leído)
event-delivery_unknown = { $bytes ->
        [one] Enviado: 1 byte
       *[other] Enviado: { $bytes } bytes
    } y el fin, y el otro extremo ya terminó; este sistema no dice si su TCP los confirmó
event-still_waiting = { $awaited ->
        [connection] Sigue sin haber respuesta a la conexión (--connect-timeout 5s pone un límite)
        [handshake] El otro extremo no termina el saludo de TLS (--idle 5s pone un límite a la espera); ¿acaso habla TLS?
        [echo] Faltan por volver { $missing ->
                [one] 1 byte
               *[other] { $missing } bytes
            } (--idle 5s pone un límite a la espera)
        [expected] Todavía no llega lo que se espera (--idle 5s pone un límite a la espera)
        [acknowledgement] El otro extremo todavía no confirma todo (--wait dice cuánto esperar)
        [room] El otro extremo no lee: no cabe más por ahora (--idle 5s pone un límite a la espera)
       *[peer_end] Esperando a que el otro extremo termine (--idle 5s pone un límite; Ctrl-C termina ya)
    }
event-closing = Cerrando el socket

## Por qué terminó una conexión

reason-peer_finished = el otro extremo terminó primero
reason-own_end = este extremo terminó primero
reason-reset_by_peer = el otro extremo la reinició (RST)
reason-idle = nada llegó ni salió en { $limit }
reason-first_byte = no llegó ni un byte en { $limit }
reason-deadline = se cumplió su límite de { $limit }
reason-interrupted = se interrumpió este programa
reason-refused = nadie escucha ahí
reason-limit = no había lugar para ella
reason-peer_left = el otro extremo cerró sin esperar la respuesta
reason-failed = { $call } falló: { $cause }
reason-truncated = el otro extremo cerró sin el close_notify de TLS: puede que lo que llegó no sea todo lo que dijo
reason-tls = { $tls ->
        [not_tls] lo primero que dijo el otro extremo no es TLS
        [handshake_cut] el otro extremo terminó la conexión en el saludo de TLS
        [alert] el otro extremo desistió de TLS con la alerta { $alert }
        [unknown_issuer] nadie en quien se confíe firmó el certificado del otro extremo (--tls-ca ARCHIVO confía en otros)
        [authority] el certificado del otro extremo es el de una autoridad en la que no se confía (si es el correcto, --tls-ca ARCHIVO con él le da confianza)
        [expired] el certificado del otro extremo venció el { $moment } (su servidor necesita uno nuevo)
        [not_yet_valid] el certificado del otro extremo vale a partir del { $moment } (¿está bien el reloj de esta computadora?)
        [other_name] el certificado del otro extremo no es para el nombre al que se llamó{ $has_names ->
                [no] {" "}y no tiene ninguno en subjectAltName, que es donde se buscan (su servidor necesita otro)
               *[yes] , sino para { $names } (llámalo por ese)
            }
       *[protocol] TLS falló: { $detail }{ $answered ->
            [yes] , como se le dijo al otro extremo con la alerta { $alert }
           *[no] {""}
        }
    }

## Errores del sistema, por su clase en Rust

io-NotFound = no existe
io-PermissionDenied = no hay permiso
io-ConnectionRefused = conexión rechazada: nadie escucha ahí
io-ConnectionReset = el otro extremo reinició la conexión
io-ConnectionAborted = la conexión se abortó
io-HostUnreachable = no se llega a esa computadora
io-NetworkUnreachable = no se llega a esa red
io-NetworkDown = la red está caída
io-NotConnected = no hay conexión
io-AddrInUse = la dirección está en uso
io-AddrNotAvailable = la dirección no es de esta computadora
io-BrokenPipe = el otro extremo ya cerró
io-TimedOut = se agotó el tiempo
io-IsADirectory = es un directorio
io-NotADirectory = no es un directorio
io-FileTooLarge = el archivo es más grande de lo que se le permite a este proceso (ulimit -f)
io-StorageFull = no queda espacio en el disco
io-ReadOnlyFilesystem = el sistema de archivos es de solo lectura
io-OutOfMemory = no hay memoria
io-Interrupted = una señal lo interrumpió
io-InvalidData = el archivo comprimido está dañado
io-UnexpectedEof = el archivo comprimido termina antes de tiempo
io-InvalidInput = el sistema no acepta ese valor
io-WouldBlock = el sistema no da más por ahora
io-Unsupported = este sistema no lo tiene
program-incomplete = ya no está, o falta el intérprete que nombra su primera línea, o el cargador que necesita
program-foreign = es un programa para otra máquina, o un script cuya primera línea no nombra su intérprete, como en #!/bin/sh
io-descriptors = hay demasiados archivos abiertos
io-no-directory = su directorio no existe
way-descriptors = da menos archivos o sube el límite (ulimit -n)
way-limit = sube el límite (ulimit -n)
way-allow-call = el sistema se lo prohíbe a este programa, como hace el filtro de un contenedor o de un administrador de servicios: pide que ahí se permita
way-newer = usa un núcleo más nuevo, o pide que se permita donde un filtro de llamadas lo oculte
way-resources = termina otros programas o inténtalo más tarde
way-allow-rings = este usuario o programa tiene prohibido io_uring: pide que se permita (sysctl kernel.io_uring_disabled=0, o el filtro del contenedor)
way-lock = sube el límite de memoria que se puede fijar (ulimit -l)
way-newer-rings = necesita el io_uring de Linux 6.8 o posterior: usa un núcleo más nuevo
way-room = haz espacio o escribe en otro disco
way-directory = créalo primero (mkdir -p) o da otro archivo
way-look = revisa su nombre (ls) o da otro archivo
way-permission = córrelo con un usuario que pueda leerlo, dale ese permiso a este usuario (chown, setfacl) o da otro archivo
way-write-another = da otro archivo, en un directorio que sea tuyo
way-another = da otro archivo
way-another-directory = da un directorio que exista y sea tuyo
way-temporary = pon en TMPDIR un directorio que exista y sea tuyo, o da un archivo con -w
way-put-right = corrígelo y envía SIGHUP otra vez

## Lo que no se pudo hacer

problem-no-command = dime qué hacer; para empezar: «enchufe demo» (todo lo que hay: «enchufe --help»)
problem-unknown-command = «{ $word }» no es una orden de enchufe; hay: { $choices } («enchufe --help» las explica)
problem-unknown-command-near = «{ $word }» no es una orden de enchufe; ¿querías «enchufe { $near }»?
problem-not-here = «enchufe { $word }» no forma parte de enchufe en este sistema: necesita Linux. Aquí captura Wireshark, y «enchufe read ARCHIVO --ladder» muestra lo que capturó
problem-unknown-flag = la opción { $flag } no existe aquí («--help» muestra las que hay; si no es una opción, pon -- antes)
problem-unknown-flag-number = la opción { $flag } no existe aquí, y ninguna lleva un número negativo (si es un mensaje, pon -- antes)
problem-unknown-flag-near = la opción { $flag } no existe aquí; ¿querías { $near }?
problem-missing-value = a { $flag } le falta su valor
problem-takes-no-value = { $flag } no lleva valor: escríbela sola
problem-extra-argument = sobra «{ $word }» (las palabras que van juntas se escriben entre comillas)
problem-conflict = { $flag } y { $other } no van juntas: quita una
problem-repeated = { $flag } está dos veces: deja una
problem-no-text = una palabra de la línea no es UTF-8, y eso solo lo pueden ser los mensajes y los nombres de archivos y programas; escríbela de nuevo
problem-usage = no se entiende la línea: { $said } («--help» muestra cómo se escribe)
problem-bad-choice = { $flag } no puede ser «{ $word }»; puede ser: { $choices }
problem-bad-time = { $flag } necesita un tiempo con su unidad (us, ms, s, m o h), como 50ms, 2s o 1m, y no «{ $word }»
problem-bad-size = { $flag } necesita un tamaño, como 0, 64KiB, 10MB o 1GiB, y no «{ $word }»
problem-bad-number = { $flag } necesita un número de { $least } a { $most }, y no «{ $word }»
problem-bad-source = --source necesita una dirección de esta computadora, con o sin puerto (127.0.0.2, 127.0.0.2:5000, [::1]:5000), y no «{ $word }»
problem-bad-option = --socket no conoce «{ $word }»; conoce: { $choices }
problem-bad-option-value = --socket { $option } no puede valer «{ $word }» (así se escriben: nodelay=on, keepalive=30s, sndbuf=65536, rcvbuf=65536, linger=0s)
problem-bad-port = { $of }«{ $word }» no es un puerto: es un número de 0 a 65535
problem-no-port = { $of }a «{ $word }» le falta el puerto: escríbelo después de dos puntos, como 127.0.0.1:4000
problem-bad-host = { $of }«{ $word }» no es un nombre ni una dirección (se escribe 127.0.0.1:4000, [::1]:4000 o nombre:4000)
problem-brackets = { $of }una dirección IPv6 va entre corchetes, para que se vea dónde empieza el puerto: [::1]:4000 y no «{ $word }»
problem-every-target = «*» es para escuchar; para conectarte di a qué computadora, como 127.0.0.1:4000
problem-zero-target = el puerto 0 es para escuchar; para conectarte di en qué puerto escucha el servidor
problem-no-service = falta qué servicio dar; por ejemplo: «enchufe serve echo» (hay: { $choices })
problem-unknown-service = no hay un servicio «{ $word }»; hay: { $choices }
problem-service-port = falta el servicio antes del puerto; escribe: enchufe serve echo --listen { $port }
problem-service-then-port = el puerto va con --listen; escribe: enchufe serve { $service } --listen { $port }
problem-no-answer = falta qué responder; escribe: enchufe serve reply 'Hola desde el servidor'
problem-answer-not-used = { $service } no lleva texto: sobra «{ $word }» (con texto es: enchufe serve reply { $quoted })
problem-flag-not-used = { $flag } no tiene efecto en { $service }: quítala
problem-no-target = falta a quién; escribe: enchufe send 127.0.0.1:4000 'Hola'
problem-target-then-port = el puerto va pegado al nombre con dos puntos; escribe: enchufe send { $host }:{ $port } { $message }
problem-target-then-port-alone = el puerto va pegado al nombre con dos puntos; escribe: enchufe send { $host }:{ $port } Hola
problem-flag-goes-with = { $flag } solo tiene efecto con: { $others }
problem-flag-not-here = { $flag } es para los motores epoll y uring, que no forman parte de enchufe en este sistema: necesita Linux; quita { $flag }
problem-zero-time = { $flag } tiene que ser más que cero
problem-metrics-listen = bind { $address }: esa dirección la tiene también --metrics; dale otro puerto a uno de los dos
problem-unfit = el descriptor { $number }{ $named } de LISTEN_FDS { $what }; quien arranca este programa tiene que entregarle un socket que ya escuche (en systemd, ListenStream= con un puerto, sin Accept=yes)
unfit-closed = no está abierto
unfit-no-socket = no es un socket
unfit-no-tcp = no es un socket de TCP
unfit-not-listening = es un socket que no escucha
problem-bad-listen-fds = LISTEN_FDS tiene que decir cuántos descriptores se entregan ({ $most } a lo más), no «{ $word }»
problem-listen-inherited = quien arrancó este programa le entregó un socket que ya escucha (LISTEN_FDS): quita { $flag }
problem-notify-failed = sendto { $address }: { $cause }; no se puede avisar ahí (NOTIFY_SOCKET) a quien arrancó este programa de que ya escucha: corrígelo o quita la variable
problem-listen-twice = bind { $address }: otro --listen ya toma esa dirección, o parte de ella; deja uno
problem-nothing-to-run = falta qué ejecutar en cada conexión; escribe por ejemplo: enchufe serve exec -- cat
problem-rings-too-large = io_uring_setup: no hay memoria para los anillos de tantos hilos; sube el límite de memoria que se puede fijar (ulimit -l), da menos --threads, o usa --engine epoll
problem-engine-refused = --engine { $engine } no puede servir aquí: { $call }: { $cause }; { $way }, o usa --engine { $works }
problem-too-many-threads = --threads { $threads } pasa de los procesadores que este programa puede usar ({ $most }): más hilos solo se turnarían en ellos; pide { $most } a lo más
problem-threads-beyond-named = --threads { $threads } pasa de los procesadores que nombra --cpus ({ $most }): más hilos solo se turnarían en ellos; pide { $most } a lo más o nombra más
problem-bad-threads = --threads necesita auto o un número de 1 a { $most }, los procesadores que puede usar, y no «{ $word }»
problem-bad-busy-poll = --busy-poll necesita off, auto o un tiempo con su unidad (us, ms, s, m o h), como 100us, y no «{ $word }»
problem-bad-processors = --cpus lleva números de procesadores, como 0-3,6, o auto, u off, y no «{ $word }»
problem-not-steered = --cpus: este sistema no lleva las conexiones nuevas al hilo del procesador que atiende sus paquetes (se probó desde el procesador { $processor }); quita --cpus, o di --cpus off
problem-processor-forbidden = --cpus { $word }: este programa solo puede correr en { $allowed }
problem-descriptors-beyond = --max-connections { $connections } necesita { $needed } descriptores, y este sistema no da a ningún programa más de { $most }; súbelo con: sudo sysctl fs.nr_open={ $needed }, y después el límite de este shell con: sudo prlimit --pid $$ --nofile={ $needed }
problem-descriptors-too-few = --max-connections { $connections } necesita { $needed } descriptores y este programa puede tener { $limit }; sube el límite de este shell con: sudo prlimit --pid $$ --nofile={ $needed }
problem-descriptors-without-rings = --max-connections { $connections } necesita { $needed } descriptores y este programa puede tener { $limit }; sube el límite de este shell con: sudo prlimit --pid $$ --nofile={ $needed }; o, para que uring tenga sus anillos, cuyas conexiones no son descriptores, el de memoria que se puede fijar (ulimit -l)
problem-never-comes = { $flag } { $time } nunca llegaría: { $other } { $limit } termina antes la conexión; quita una de las dos o da a { $other } más de { $time }
problem-never-reached = --max-connections { $connections } nunca se alcanzaría: { $other } no deja entrar a más de { $most }; quita una de las dos
problem-beyond-tables = --max-connections { $connections } pasa de las que caben en --engine uring con { $threads ->
        [one] un hilo
       *[other] { $threads } hilos
    } ({ $places }); pide esas a lo más o usa --engine epoll
note-not-renewed = { $problem } (mientras tanto sigue en uso lo anterior)
problem-tls-files = --tls de un servidor lleva dos archivos, su certificado y su llave; escribe por ejemplo: --tls servidor.pem,servidor.key
problem-tls-too-large = { $path } tiene más de { $most }: da un archivo con certificados o una llave en PEM
problem-tls-no-certificate = { $path }: no contiene un certificado; { $flag } pide primero uno en PEM, que empieza con «-----BEGIN CERTIFICATE-----»
problem-tls-bad-certificate = { $path }: no se puede leer un certificado de los que contiene ({ $detail }); «openssl x509 -in ARCHIVO -noout -text» muestra uno que sí
problem-tls-no-key = { $path }: no contiene una llave privada; el segundo archivo de --tls es la llave en PEM, que empieza con «-----BEGIN PRIVATE KEY-----»
problem-tls-encrypted-key = { $path }: la llave está cifrada y a nadie se le pregunta su contraseña; escríbela sin ella: openssl pkey -in ARCHIVO -out LLAVE
problem-tls-bad-key = { $path }: esa llave no se puede usar ({ $detail }); revisa que el archivo esté completo, o haz una de ECDSA (P-256, P-384), Ed25519 o RSA (de 2048 bits o más), y un certificado para ella
problem-tls-mismatch = { $key } no es la llave del certificado de { $path }; da aquella con la que se hizo el certificado
problem-tls-expired = { $path }: { $place ->
        [1] el certificado
       *[other] el certificado { $place } de los que contiene
    } venció el { $moment }; pon ahí uno nuevo
problem-tls-not-yet-valid = { $path }: { $place ->
        [1] el certificado
       *[other] el certificado { $place } de los que contiene
    } vale a partir del { $moment }; espera hasta entonces o corrige el reloj de esta computadora
problem-tls-nobody = aquí no hay nadie en quien --tls pudiera confiar ({ $detail }); instala las autoridades del sistema (el paquete ca-certificates) o nombra algunas con --tls-ca ARCHIVO
problem-tls-bad-name = ningún certificado puede ser para el nombre «{ $name }»; llama al servidor por el nombre de su certificado
problem-source-in-use = bind { $address }: esa dirección de --source está en uso; elige otro puerto, o quítalo para que lo elija el sistema
problem-source-not-ours = bind { $address }: --source tiene que ser una dirección de esta computadora
problem-resolve-failed = getaddrinfo { $name }: no se pudo averiguar su dirección ({ $cause }); inténtalo de nuevo o da la dirección en números
problem-no-terminal = «serve ask» necesita un teclado y la entrada no es una terminal; para responder siempre lo mismo: enchufe serve reply 'Hola'
problem-no-shell = falta para qué intérprete; escribe por ejemplo: enchufe completions bash (hay: { $choices })
problem-file = { $call } { $path }: { $cause }; { $way }
problem-file-is-directory = { $path } es un directorio: da el nombre de un archivo
problem-write-file = { $call } { $path }: { $cause }; { $way }
problem-in-use-listening = bind { $address }: ahí ya escucha { $program } (proceso { $pid }); termínalo o elige otro puerto con { $flag }
problem-in-use-listening-unseen = bind { $address }: ahí ya escucha otro programa, que tu usuario no puede ver; elige otro puerto con { $flag }
problem-in-use-bound = bind { $address }: { $program } (proceso { $pid }) ya apartó esa dirección, aunque no escucha; termínalo o elige otro puerto con { $flag }
problem-in-use-bound-unseen = bind { $address }: otro programa ya apartó esa dirección, aunque no escucha; elige otro puerto con { $flag }
problem-in-use-connected = bind { $address }: una conexión abierta usa esa dirección; espera a que termine o elige otro puerto con { $flag }
problem-in-use-time-wait = bind { $address }: una conexión que ya terminó la retiene en TIME_WAIT; se libera en { $seconds ->
        [one] 1 segundo
       *[other] { $seconds } segundos
    }, o elige otro puerto con { $flag }
problem-in-use = bind { $address }: la dirección está en uso; elige otro puerto con { $flag }
problem-privileged-port = bind { $address }: el puerto { $port } es de los reservados (los menores de 1024) y tu usuario no puede usarlo; elige uno mayor
problem-port-kept = bind { $address }: el sistema se guarda el puerto { $port }; elige otro («netsh int ipv4 show excludedportrange tcp» lista los que se guarda Windows)
problem-not-our-address = bind { $address }: esa dirección no es de esta computadora; usa una propia, o 0.0.0.0 para todas
problem-unresolved = getaddrinfo { $name }: ese nombre no tiene dirección ({ $cause }); revisa cómo está escrito o da la dirección en números
problem-no-such-family = { $name } no tiene direcciones { $family }; quita { $choice }
problem-family-mismatch = --source { $address } y { $target } no son de la misma familia (IPv4 o IPv6); da las dos de la misma
problem-option-refused = setsockopt { $option } en { $address }: { $cause }
problem-call-failed = { $call } { $address }: { $cause }
problem-call-refused = { $call } { $address }: { $cause }; { $way }
problem-resources = { $call }: { $cause }; { $way }
problem-read-input = no se puede seguir leyendo la entrada: { $cause }
problem-write-output = no se puede escribir el resultado: { $cause }
problem-no-file = falta qué captura leer; escribe: enchufe read captura.pcapng (o - para la entrada estándar)
problem-capture-on-terminal = una captura no es texto para una terminal: nombra un archivo, o envía la salida estándar a un archivo o a un programa
problem-same-file = { $path } es una captura que se está leyendo: escribe en otro archivo
problem-stdin-twice = la entrada estándar se puede leer una vez: nombra - una sola vez
problem-read-interrupted-at-once = interrumpido antes de mostrar nada
problem-read-interrupted = interrumpido antes del final: se mostró lo que llegó hasta entonces
problem-flag-needs = { $flag } solo tiene efecto junto con { $other }
problem-no-conversation = { $path } no tiene conversación { $number }: tiene { $count ->
    [0] cero
    [one] una, la número 0
   *[other] { $count }, contadas desde 0; --view conversations las lista
 }
problem-no-recording = { $path } no es una grabación de programas, o no se puede leer dos veces: --view calls muestra lo que escribió enchufe trace -w ARCHIVO
problem-no-packet = { $path } no tiene paquete { $number }: tiene { $count ->
    [0] cero
    [one] uno, el número 1
   *[other] { $count }, contados desde 1
 }
problem-bad-column = no hay una columna «{ $word }»; hay number, time, source, destination, protocol, length, info y todos los campos del lenguaje de filtros
problem-filter-field = el filtro nombra un campo que no existe: { $name }
problem-filter-field-near = el filtro nombra un campo que no existe: { $name }; se le parecen { $near }
problem-filter-operand = al filtro le falta aquí un campo o un valor
problem-filter-unexpected = el filtro tiene aquí algo que no encaja
problem-filter-not-closed = el filtro abre aquí un paréntesis o una comilla que no cierra
problem-filter-no-field = el filtro compara aquí dos valores: un lado tiene que ser un campo
problem-filter-value = el filtro tiene aquí algo que no puede ser valor de su campo, que guarda { $kind }
problem-filter-too-big = el filtro tiene aquí un número demasiado grande para su campo, { $number }: puede ser a lo más { $most }
problem-filter-operator = el filtro usa aquí un operador que no sirve con { $kind }
problem-filter-pair = el filtro compara aquí { $left } con { $right }, y no se pueden comparar
problem-filter-slice = el filtro tiene aquí un corte que no se entiende; escribe [0:4], [0-3] o [2]
problem-filter-expression = el filtro tiene aquí una expresión regular que no se entiende, o es demasiado grande
problem-filter-function = el filtro nombra aquí una función que no existe; hay len, count, upper, lower
problem-filter-deep = el filtro tiene aquí más paréntesis anidados de los que se leen; quita algunos
problem-no-interface = no existe la interfaz { $name }; hay: { $others } (y any, para todas)
problem-capture-forbidden = capturar paquetes requiere la capacidad CAP_NET_RAW, que este programa no tiene; dásela una vez: sudo setcap cap_net_raw+ep { $program }; enchufe trace muestra sin ella lo que envían y reciben los programas que ejecuta
problem-promiscuous-everywhere = --promiscuous es un modo de una sola interfaz: indícala con -i
problem-capture-failed = no se pueden capturar paquetes en { $place }: { $cause }
problem-no-program = no hay programa que trazar: nombra uno, como en: enchufe trace 'python3 servidor.py' 'python3 cliente.py'
problem-empty-command = un comando está vacío: nombra el programa que ejecuta
problem-open-quote = en { $word } hay una comilla que no cierra: los comandos se parten en palabras como lo hace un shell
problem-command-not-found = no se encuentra el comando { $word }: da su ruta, o revisa PATH
problem-command-is-directory = el comando { $word } es un directorio: nombra el programa que está en él
problem-command-not-executable = { $word } no se puede ejecutar, le falta el permiso; dáselo con: chmod +x { $word }
problem-command-foreign = no se puede ejecutar { $word }: es un programa para otra máquina, o un script cuya primera línea no nombra a su intérprete, como #!/bin/sh
problem-command-no-interpreter = no se puede ejecutar { $word }: no está el intérprete que nombra su primera línea, o el cargador que necesita
problem-ptrace-traced = aquí no se pueden trazar programas: enchufe mismo está siendo trazado, y un programa solo tiene un trazador; córrelo sin strace, gdb u otro enchufe trace alrededor
problem-ptrace-scope = aquí no se pueden trazar programas: kernel.yama.ptrace_scope es { $scope }; ponlo en 1 (sudo sysctl kernel.yama.ptrace_scope=1; después de 3 hay que reiniciar la computadora)
problem-ptrace-forbidden = aquí no se pueden trazar programas: ptrace está prohibido ({ $cause }), como lo hace el filtro de llamadas de un contenedor; en Docker se permite con --cap-add SYS_PTRACE
problem-seccomp-forbidden = aquí no se pueden trazar programas: seccomp está prohibido ({ $cause }), y con él se detienen en sus llamadas; puede prohibirlo el filtro de un contenedor, y el núcleo necesita CONFIG_SECCOMP_FILTER
problem-command-refused = { $word } no se puede ejecutar: { $cause }
problem-not-ready = { $word } ni escucha, ni se conecta, ni termina, así que el siguiente programa no arrancó; dale más tiempo con --start-timeout
problem-pid-not-offered = no hay --pid: de un programa que ya corre, las llamadas que hicieron sus conexiones ya pasaron, y las causas serían adivinadas; arráncalo con enchufe trace, o mira sus paquetes con enchufe watch
problem-view-needs-packets = { $flag } muestra paquetes y --no-packets los deja fuera: quita uno de los dos (--view calls y --view ladder muestran llamadas)
problem-recording-to-stdout = la salida estándar lleva el diagrama: nombra un archivo para la grabación, como en -w run.pcapng
problem-recording-no-file = { $path } no es un archivo normal, y una grabación se lee otra vez y se reemplaza: nombra otro archivo con -w
problem-host-forbidden = para ver los paquetes de la red de esta computadora hace falta la capacidad CAP_NET_RAW; dala una vez: sudo setcap cap_net_raw+ep { $program }, o prescinde de ellos con --no-packets
problem-join-one = --join ejecuta un solo programa: enchufe trace --join -- python3 cliente.py
problem-join-none = no se encuentra ninguna traza tuya en marcha; inicia una en otra terminal, como en: enchufe trace 'python3 servidor.py'
problem-join-several = hay varias trazas tuyas en marcha: { $all }; indica una, como en: --join { $pid }
problem-join-no-such = ninguna traza tuya tiene el número { $pid }; están en marcha: { $all }
problem-join-other-version = esa traza es de otra versión de enchufe, que no entiende a esta: { $program } no arrancó
problem-join-full = a esa traza ya se unieron dieciséis programas: { $program } no arrancó; espera a que termine uno
problem-join-ending = esa traza está por terminar: { $program } no arrancó
problem-join-gone = la traza a la que se unió { $program } fue eliminada, y { $program } con ella
problem-join-failed = no es posible unirse a la traza: { $cause }
note-join-begun = { $program } se une a la traza { $pid }: corre en esa red y aparece en ese diagrama
note-join-ended = la traza terminó, y { $program } con ella: { $how }
problem-bad-rule = --link no tiene la regla «{ $word }»; una regla es: lose|delay TIEMPO|double client|server syn|data|ack|update|fin|rst|segment N[-M] (no más de 5s), separadas por comas
problem-too-many-rules = --link tiene más de 64 reglas
problem-link-on-host = --link necesita los programas en una red propia: quita --net host
problem-link-refused = no hay enlace para los programas: { $cause }; hace falta una red propia (mira: enchufe doctor) y acceso a /dev/net/tun
note-trace-loopback = los programas no tienen una red propia ({ $cause }): del loopback de esta computadora se muestran sus propias conexiones; para verlo todo: { $command }
note-trace-no-wire = los programas no tienen una red propia ({ $cause }), y no se permite ver paquetes: llamadas, estados y salida, sin la red; para verlo todo: { $command }
note-trace-private = los programas tienen una red propia: llamadas, estados y paquetes, y nada de tráfico ajeno
note-trace-host = los programas corren en la red de esta computadora: de lo que pasa ahí se muestran sus propias conexiones
note-trace-unprivileged = { $program } ejecuta { $file } sin el privilegio que ese archivo da (setuid, setgid o capacidades): los programas trazados no obtienen ninguno
obstacle-apparmor = AppArmor solo deja crearlas a programas con un perfil; el de enchufe es deploy/apparmor/enchufe
obstacle-setting = un ajuste de este sistema las reserva para root
obstacle-limit = no se permite crear más
obstacle-reached = ya hay tantas como se permiten
obstacle-seccomp = hay un filtro de llamadas al sistema (seccomp), como el de los contenedores
obstacle-kernel = este núcleo no tiene espacios de nombres de usuario o de red
obstacle-forbidden = el sistema lo prohíbe
problem-trace-failed = no se pueden trazar los programas: { $cause }
note-trace-alone = { $program } escucha en { $address }, en una red propia: solo la alcanzan los programas que se trazan junto con él. Inicia uno desde otra terminal: enchufe trace --join -- COMANDO; o haz que escuche en la red de esta computadora: --net host
note-astray-no-way = { $program } llama a { $call } { $address }, y desde una red propia no hay camino hasta ahí; haz que corra en la red de esta computadora: --net host
note-astray-bind = { $program } llama a { $call } { $address }, y una red propia solo tiene direcciones de loopback (127.0.0.1, ::1); haz que corra en la red de esta computadora: --net host
note-astray-listener = { $program } llama a { $call } { $address }, y en su propia red nadie escucha ahí; en la red de esta computadora lo hace { $listener }: --net host, o traza también ese programa
astray-somebody = otro programa
note-trace-silent = desde hace 5 s no hay llamadas, y siguen: { $programs }; Ctrl-C los termina y muestra lo grabado
note-trace-no-shell = no se usa ningún shell, así que { $word } no significa nada especial en { $command }; con un shell el comando es: sh -c { $quoted }
note-trace-cut = más de { $size } de paquetes: de los que vinieron después solo se grabaron las cabeceras
note-trace-32-bits = { $program } es un programa de 32 bits: sus llamadas no se ven, así que lo que envía no tiene ninguna
note-trace-lost = { $count ->
    [one] se perdió un paquete, no hubo lugar para él: cerca de él pueden faltar causas
   *[other] se perdieron { $count } paquetes, no hubo lugar para ellos: cerca de ellos pueden faltar causas
}
problem-interface-down = la interfaz { $name } está inactiva: no pasa nada por ella; actívala con: sudo ip link set { $word } up
problem-interface-gone = la interfaz { $name } ya no existe; hay: { $others } (y any, para todas)
problem-capture-empty = { $path } está vacío: no es una captura
problem-not-a-capture = { $path } no es una captura: empieza con { $first }, que no es de pcap ni de pcapng (tampoco comprimida con gzip o zstd)
problem-capture-version = { $path }: la versión { $version } de ese formato de captura no se conoce
problem-capture-unreadable = { $path } no se puede leer como captura: { $cause }
problem-capture-cut = { $path } está cortado: lo que empieza en el byte { $offset } necesita { $needed } bytes y hay { $have }; lo de antes se mostró
problem-capture-damaged = { $path } está dañado en el byte { $offset }: { $cause }; lo de antes se mostró
problem-capture-cut-at-once = { $path } está cortado antes de su primer paquete: lo que empieza en el byte { $offset } necesita { $needed } bytes y hay { $have }
problem-capture-damaged-at-once = { $path } está dañado en el byte { $offset }, antes de su primer paquete: { $cause }
problem-capture-broken = { $path } no se puede seguir leyendo: { $cause }; lo de antes se mostró
problem-demo = la demostración se detuvo: { $what }
problem-refused = connect { $address }: conexión rechazada, nadie escucha ahí; levanta el servidor, o espéralo con --retry 5s
problem-refused-still = connect { $address }: nadie escuchó ahí en { $limit }; levanta el servidor o da más tiempo con --retry
problem-resolve-timeout = getaddrinfo { $name }: no hubo respuesta a tiempo sobre su dirección; inténtalo de nuevo o da la dirección en números
problem-connect-timeout = connect { $address }: sin respuesta en { $limit }; revisa la dirección, o si algo en el camino la descarta
problem-connect-failed = connect { $address }: { $cause }; revisa la dirección y la red
problem-interrupted = se interrumpió antes de terminar
problem-ended = la conexión con { $peer } no terminó bien: { $why }
problem-not-acknowledged = no se sabe si llegó: { $why } antes de que { $peer } confirmara todo
problem-not-told = no se sabe si llegó: { $why }, y este sistema no dice qué había confirmado { $peer }
problem-echo-missing = el eco no está completo: no { $missing ->
        [one] volvió 1 byte
       *[other] volvieron { $missing } bytes
    }
problem-echo-differs = el eco es distinto: en la posición { $offset } se envió { $sent } y volvió { $came }
problem-no-line = se esperaba una línea y no llegó ningún fin de línea
problem-too-few = no llegó todo lo que se esperaba: bytes esperados { $wanted }, bytes que llegaron { $came }
problem-too-many = llegó más de lo que se esperaba: { $extra ->
        [one] 1 byte
       *[other] { $extra } bytes
    } de más
problem-drain-cut = { $cut ->
        [one] se cortó 1 conexión
       *[other] se cortaron { $cut } conexiones
    } al terminar; --drain da más tiempo

## Ayuda

heading-usage = Uso
heading-commands = Órdenes
heading-arguments = Argumentos
heading-options = Opciones
heading-common = En todas las órdenes

usage-enchufe = enchufe ORDEN [OPCIONES]
usage-serve = enchufe serve SERVICIO [RESPUESTA] [OPCIONES]
usage-send = enchufe send EQUIPO:PUERTO [MENSAJE] [OPCIONES]
usage-read = enchufe read ARCHIVO... [FILTRO] [OPCIONES]
usage-watch = enchufe watch [FILTRO] [OPCIONES]
usage-trace = enchufe trace 'COMANDO' ['COMANDO' ...] [OPCIONES] | enchufe trace --join [PID] -- COMANDO
usage-doctor = enchufe doctor [OPCIONES]
usage-demo = enchufe demo [MENSAJE] [OPCIONES]
usage-completions = enchufe completions INTÉRPRETE
usage-man = enchufe man [DIRECTORIO]

value-FILES = CERTIFICADO,LLAVE
value-FILE = ARCHIVO
value-NAMES = NOMBRES
value-ENGINE = MOTOR
value-NUMBERS = NÚMEROS
value-words = ARCHIVO
value-filter = FILTRO
value-FILTER = FILTRO
value-SIZE = TAMAÑO
value-RULES = REGLAS
value-TIME = TIEMPO
value-ADDRESS = DIRECCIÓN
value-SOURCE = DIRECCIÓN[:PUERTO]
value-INTERFACE = NOMBRE|any
value-OPTIONS = OPCIONES
value-service = SERVICIO
value-answer = RESPUESTA
value-target = EQUIPO:PUERTO
value-message = MENSAJE
value-program = COMANDO
value-programs = COMANDO
value-file = ARCHIVO
value-shell = INTÉRPRETE
value-directory = DIRECTORIO

about-enchufe = Sockets TCP, de la línea de código al cable: servidores, clientes y lo que pasa entre ellos
after-enchufe = Para empezar: enchufe demo
about-demo = Las prácticas completas: tres pares de servidor y cliente, con la red entre ellos donde se puede ver
about-serve = Levanta un servidor TCP y cuenta lo que pasa
after-serve = Servicios:
      echo      devuelve lo que llega, hasta que el otro extremo termina
      receive   muestra lo que llega
      reply     responde RESPUESTA una vez y cierra
      ask       muestra lo que llega y tú escribes la respuesta
      discard   descarta lo que llega
      chargen   envía caracteres sin fin
      daytime   envía la fecha y la hora y cierra
      exec      ejecuta un programa por conexión, que es su entrada y su salida estándar

    Direcciones: 4000 o :4000 es solo esta computadora; 0.0.0.0:4000 es toda la red IPv4, [::]:4000 toda la IPv6, *:4000 las dos.
    Puertos de costumbre: echo, ask y los demás 4000; receive y reply 8080. Ctrl-C termina.

    Ejemplos:
      enchufe serve echo
      enchufe serve echo --engine blocking --backlog 1 --read-size 19
      enchufe serve reply 'Hola desde el servidor' --once --listen 0.0.0.0:8080
      enchufe serve exec -- cat
about-send = Se conecta a un servidor TCP, envía y muestra la respuesta
after-send = Sin MENSAJE, envía la entrada; si es una terminal, pide cada mensaje (Ctrl-D termina).
    La respuesta sale por la salida estándar, lo demás por la de errores.

    Ejemplos:
      enchufe send 127.0.0.1:4000 'Aquí va el mensaje' --expect echo
      enchufe send 127.0.0.1:8080 '¡Hola, servidor!' --no-reply
      enchufe send servidor:4000 --retry 10s < archivo > respuesta
about-read = Lee una captura (pcap o pcapng, también en gzip o zstd) y la muestra como la tabla de Wireshark
about-watch = Muestra los paquetes que pasan por una interfaz, como la tabla de Wireshark (normalmente en lo; Ctrl-C termina)
after-watch = Cuando direcciones, puertos o protocolos dicen que un paquete no puede cumplir FILTRO, el núcleo lo deja fuera, y los números y tiempos cuentan los demás (-v dice si es así).
about-trace = Ejecuta programas y muestra qué llamada, en qué línea del código, puso qué segmento en la red
after-trace = Cada COMANDO es un programa, partido en palabras como lo hace un shell; tras -- va uno sin comillas. Cada programa arranca en cuanto el anterior escucha, se conecta o termina. Corren en una red propia: ningún puerto está ocupado, no se llega a nadie más y no hace falta ningún privilegio.
about-doctor = Qué permiten esta computadora, su núcleo y este usuario, para qué sirve y cómo obtener lo demás
doctor-yes = sí
doctor-no = no
doctor-namespaces = una red propia para los programas trazados
doctor-ptrace = las llamadas de los programas trazados
doctor-seccomp = los programas trazados se detienen solo en las llamadas que importan
doctor-capture = los paquetes de la red de esta computadora: watch, y trace --net host
doctor-link = un enlace donde los segmentos se pierden, tardan o se duplican: trace --link
doctor-tracefs = la lista que el propio núcleo lleva de los estados de TCP
doctor-io-uring = programas que usan io_uring: trace --io-uring allow
doctor-descriptors = archivos y sockets abiertos a la vez: { $count } (las conexiones de serve --engine uring no cuentan entre ellos)
doctor-change = para cambiarlo: { $command }
arg-trace-programs = Los programas, en el orden en que arrancan
arg-trace-program = Un programa y sus argumentos, tras --
about-completions = Escribe el archivo que completa las órdenes en tu intérprete
about-man = Escribe las páginas de manual en un directorio

arg-serve-service = Qué servicio dar
arg-serve-answer = Qué responde «reply»; qué ejecuta «exec»
arg-send-target = A quién: 127.0.0.1:4000, nombre:4000, [::1]:4000; 4000 es esta computadora
arg-send-message = Qué enviar, tal cual
arg-read-words = Capturas, o - para la entrada estándar; después, si no es un archivo, un filtro de visualización de Wireshark: 'tcp.port == 8080'
arg-watch-filter = Qué paquetes, como filtro de visualización de Wireshark: 'tcp.port == 8080'
arg-demo-message = Qué envía el cliente de eco
arg-completions-shell = bash, zsh, fish, elvish o powershell
arg-man-directory = Dónde escribirlas

flag-lang = Idioma de los textos; si no, el del sistema
flag-color = Colores; NO_COLOR también los quita
flag-quiet = No contar lo que pasa
flag-verbose = Contar más detalles de lo mismo
flag-help = Mostrar esta ayuda
flag-version = Mostrar la versión
flag-json = Un objeto JSON por línea en la salida estándar
flag-hex = Los datos en hexadecimal
flag-timestamps = La hora antes de cada línea
flag-log = Escribir también en ARCHIVO lo que pasa, con fecha y hora
flag-first-byte = Cerrar si no llega ni un byte en este tiempo
flag-idle = Cerrar si nada llega ni sale en este tiempo
flag-deadline = Cerrar a este tiempo de conectado, pase lo que pase
flag-read-size = Bytes que se piden en cada lectura (65536; un servidor puede pedir más mientras llega mucho)
flag-ipv4 = Solo IPv4
flag-ipv6 = Solo IPv6
flag-socket = Opciones del socket: nodelay, keepalive=30s, sndbuf=N, rcvbuf=N, linger=0s
flag-newline = Agregar un fin de línea (LF) a cada mensaje
flag-crlf = Agregar CR LF a cada mensaje
flag-tsv = Las filas solas, separadas por tabuladores
flag-one-pass = Leer una sola vez: las filas no saben lo que viene después
flag-filter = Qué paquetes, como filtro de visualización de Wireshark; así, toda otra palabra es una captura
flag-in-order = Leer varias capturas una tras otra, no en el orden de sus tiempos
flag-view = Qué se muestra: packets, los paquetes; conversations, las conversaciones; findings, los hallazgos; ladder, el diagrama de secuencia; calls, las llamadas de programas trazados (read: packets; trace: ladder)
flag-explain = Contar cada conversación en frases: saludo, datos, confirmaciones, final y lo que se encontró
flag-ladder = Lo mismo que --view ladder: los segmentos de cada conversación como flechas entre sus extremos, con sus estados y causas
flag-conversation = Solo la conversación N, en la tabla y en todas las vistas; su diagrama de secuencia se escribe mientras se lee
flag-follow = Solo los bytes de la conversación N, en orden; lo que falta en la captura se muestra como hueco
flag-follow-as = Cómo los muestra --follow: text, texto; hex, hexadecimal; raw, los bytes y nada más (text)
flag-packet = Solo el paquete N: sus capas y campos con el lugar de sus bytes, y todos los bytes en hexadecimal
flag-write = Escribir los paquetes en ARCHIVO, como pcapng en nanosegundos (de read y watch: así no se muestran filas, y - es la salida estándar; de trace: con lo que hicieron las llamadas)
flag-columns = Las columnas: number, time, source, destination, protocol, length, info, o campos del lenguaje de filtros
flag-time = Qué muestra la columna del tiempo (relative: desde la primera trama)
flag-interface = La interfaz (lo); any: todas
flag-count = Terminar tras mostrar N paquetes
flag-duration = Terminar al cabo de este tiempo
flag-list = Solo nombrar las interfaces
flag-snaplen = Guardar tantos bytes de cada paquete (262144)
flag-promiscuous = Pedir a la interfaz también los paquetes para otros
watch-begun = Observando { $place }; Ctrl-C termina
watch-written = { $shown ->
        [one] { $shown } paquete escrito
       *[other] { $shown } paquetes escritos
    }, { $dropped ->
        [one] { $dropped } perdido por falta de espacio
       *[other] { $dropped } perdidos por falta de espacio
    }
watch-ended = { $shown ->
        [one] { $shown } paquete mostrado
       *[other] { $shown } paquetes mostrados
    }, { $dropped ->
        [one] { $dropped } perdido por falta de espacio
       *[other] { $dropped } perdidos por falta de espacio
    }
watch-prefilters = El núcleo deja fuera los paquetes que no pueden cumplir el filtro; los números y tiempos cuentan los demás
watch-takes-all = Se mira cada paquete: con este filtro, estas columnas o este --snaplen, el núcleo no puede dejar fuera ninguno
watch-forgets = hay más conversaciones de las que se guardan en memoria: desde ahora, por cada nueva se olvida la que lleva más tiempo inactiva; lo que después llegue de ella cuenta como nuevo
watch-forgotten = { $count ->
        [one] se olvidó { $count } conversación
       *[other] se olvidaron { $count } conversaciones
    } para no pasar el límite de memoria
interface-up = activa
interface-down = inactiva
flag-listen = Dónde escuchar; se puede repetir; el puerto 0 deja elegir al sistema
flag-engine = blocking: una conexión a la vez; threads: un hilo por conexión; epoll, uring: pocos hilos para todas; auto: de esos, el que más aguanta aquí (el de costumbre)
flag-threads = Cuántos hilos tienen epoll y uring; auto es uno por cada procesador que este programa puede usar (predeterminado)
flag-cpus = En qué procesadores corren esos hilos, uno tras otro, como en 0-3,6; auto: un procesador para cada hilo, si hay tantos (predeterminado); off: donde el sistema quiera
flag-busy-poll = Durante cuánto miran esos hilos si llega algo antes de ponerse a esperar, lo que ahorra tiempo y ocupa un procesador; auto: donde conviene; off (predeterminado)
flag-once = Una sola vez: una conexión en serve, un mensaje en send
flag-accept = Terminar después de N conexiones
flag-backlog = Cuántas conexiones pueden esperar a ser aceptadas (4096)
flag-max-connections = Cuántas atender a la vez; a las demás se les responde con un reinicio
flag-until = Cuándo está completo un mensaje: quiet, cuando deja de llegar; line, al fin de línea
flag-quiet-time = Cuánto silencio completa un mensaje (50ms)
flag-drain = Al terminar, cuánto tiempo se da a lo que sigue abierto: conexiones (5s), programas trazados (1s)
flag-metrics = Dónde responder por HTTP: /metrics, contadores para Prometheus; /healthz, si vive; /readyz, si admite conexiones
flag-events = Eventos de las conexiones que se muestran: all, todos; none, ninguno; fold, 100 por segundo y cuántos más hubo (predeterminado; en receive, all)
flag-status = Una línea por segundo en la salida de errores: conexiones abiertas, aceptadas, rechazadas; bytes que entran y salen
flag-tls = Hablar TLS: un servidor, con su certificado y su llave, dos archivos en PEM; un cliente, con un servidor cuyo certificado valga para EQUIPO
flag-tls-ca = Con --tls: confiar en quienes nombran estos certificados en PEM, autoridades o el servidor mismo, y no en quienes confía el sistema
flag-start-timeout = Cuánto puede tardar un programa en escuchar, conectarse o terminar, antes de que arranque el siguiente (10s)
flag-start-anyway = Arrancar el siguiente programa también cuando ese tiempo se acaba
flag-exit-status = Terminar con el estado del último programa (128 más el número de la señal que lo terminó), no con 0
flag-stdin = Qué programa, contado desde 1, lee la entrada estándar (el último)
flag-limit = Cuánto de los paquetes se graba completo; de los que siguen, solo las cabeceras: 64MiB, 1GiB (256MiB)
flag-pid = Un programa que ya corre: no se ofrece
flag-join = Ejecutar un programa en la red de una traza en marcha, en cuyo diagrama aparece; PID si hay varias
flag-net = Dónde corren los programas: en una red propia (private) o en la de esta computadora (host)
flag-no-packets = No ver paquetes: solo llamadas, estados y salida
flag-no-lines = No buscar las líneas de código que hacen las llamadas: los programas se detienen menos tiempo
flag-io-uring = Si los programas pueden usar io_uring, cuyas llamadas no se ven: si no, se les dice que no existe (refuse)
flag-link = Hacer de loopback un enlace donde los segmentos se pierden, tardan o se duplican según REGLAS: «lose client data 2, delay 50ms server ack 1-3, double client fin 1»
flag-pty = Dar a cada programa una terminal propia (así es cuando la salida estándar es una)
flag-pipes = Dar a cada programa tuberías en vez de una terminal
flag-file = Enviar el contenido de ARCHIVO
flag-expect = Qué debe llegar; si no llega, el código de salida es 1
flag-no-reply = No esperar respuesta: termina cuando el TCP del otro extremo confirmó todo
flag-wait = Cuánto esperar la confirmación de --no-reply, o el silencio de --expect nothing (5s)
flag-no-half-close = No cerrar el envío al acabar la entrada
flag-retry = Reintentar mientras nadie escuche, durante este tiempo
flag-connect-timeout = Cuánto puede tardar la conexión
flag-source = Desde qué dirección (y puerto) de esta computadora

## El cliente que pregunta y la demostración

column-number = Núm.
column-time = Tiempo
column-source = Origen
column-destination = Destino
column-protocol = Protocolo
column-length = Largo
column-info = Información
column-cause = Causa
kind-protocol = un protocolo
kind-number = números
kind-flag = sí o no
kind-ipv4 = direcciones IPv4
kind-ipv6 = direcciones IPv6
kind-ether = direcciones de hardware
kind-bytes = bytes
kind-text = texto
kind-seconds = tiempos
kind-label = solo si está o no
prompt-message = Dame un mensaje:{" "}
status = { $open ->
        [one] 1 abierta
       *[other] { $open } abiertas
    }, { $accepted ->
        [one] 1 aceptada
       *[other] { $accepted } aceptadas
    }/s, { $refused ->
        [one] 1 rechazada
       *[other] { $refused } rechazadas
    }/s, entran { $received }/s, salen { $sent }/s
progress-send = enviados { $sent }, recibidos { $received } ({ $elapsed })
progress-read = leído { $percent } % ({ $elapsed })
progress-read-stream = leídos { $read } ({ $elapsed })
shown-written = Escrito: { $path }
demo-message = Aquí va el mensaje
demo-client-message = Hola desde el cliente
demo-server-answer = Hola desde el servidor
demo-one-way = ¡Hola, servidor!
demo-title-echo = Práctica 1: un servidor de eco y su cliente
demo-title-receive = Práctica 2: un servidor de una sola conexión, y un cliente que envía y cierra
demo-title-reply = Práctica 3: un servidor que responde
demo-port-taken = (el puerto { $port } está ocupado: se usa uno libre)
demo-client = cliente
demo-server = servidor
demo-end = Cada línea la dijo uno de los dos programas cuando pasó. Pruébalo tú en dos terminales:
demo-lanes = A la izquierda el cliente, a la derecha el servidor, entre ellos la red: segmentos y los estados de ambos extremos
demo-end-traced = Ambos programas corrieron en una red propia y fueron trazados. Pruébalo en dos terminales; enchufe trace 'COMANDO' 'COMANDO' muestra así cualquier programa:
note-demo-no-network = sin la red, pues los programas no tienen una propia ({ $cause }); para verlo todo: { $command }
note-demo-no-trace = sin la red, pues aquí no se permite trazar programas ({ $cause }); qué falta: enchufe doctor

## Lo que dice una captura

finding-unanswered = un SYN que nadie respondió
why-unanswered = Un cortafuegos lo descarta, la computadora está apagada o la respuesta va por otro lado: una captura en el otro extremo muestra si el SYN llega
finding-refused = un RST respondió al SYN: nadie escucha ahí
why-refused = El servidor no está en marcha o escucha en otra dirección o puerto; un cortafuegos que rechaza se ve igual: pregunta en su computadora qué puertos escuchan
finding-data-after-close = llegaron datos después de que su receptor cerrara, y los respondió con RST
why-data-after-close = Un lado cerró su socket mientras el otro todavía enviaba: los dos programas no coinciden en quién dice la última palabra
finding-unread = inferido: se cerró con bytes sin leer, pues quien envió el RST había recibido datos y no envió ninguno después
why-unread = Cerrar un socket con bytes recibidos sin leer envía un RST en lugar de un FIN; un tiempo de linger de cero, o algo en el camino, se vería igual: cuál fue, solo lo dicen las llamadas de quien lo envió
finding-aborted = un RST terminó una conexión abierta
why-aborted = Se cerró con un tiempo de linger de cero, o algo en el camino olvidó una conexión largo tiempo inactiva, o, si habían llegado datos, quedaban bytes sin leer: cuál fue, solo lo dicen las llamadas de quien lo envió
finding-half-closed = solo un lado envió su FIN
why-half-closed = El otro programa no cerró su socket (así se ve un descriptor olvidado), o la captura terminó antes
finding-reused-ports = una conexión en puertos que otra había usado
why-reused-ports = Un cliente que abre muchas conexiones cortas, o que fija su puerto: inofensivo salvo que la anterior siguiera abierta
finding-retransmission = bytes enviados otra vez
why-retransmission = Se perdió un segmento o su confirmación, o el temporizador fue corto, o el último segmento se envió otra vez antes de tiempo como sondeo de pérdida de cola (RFC 8985 §7): si el otro confirma dos veces, el primero había llegado
finding-fast-retransmission = bytes enviados otra vez tras confirmaciones repetidas
why-fast-retransmission = Se perdió un segmento y llegaron los siguientes: normal donde un enlace está lleno
finding-spurious-retransmission = bytes enviados otra vez que ya estaban confirmados
why-spurious-retransmission = La confirmación se perdió o tardó, así que quien envía no lo sabía
finding-out-of-order = bytes que llegaron después de otros posteriores
why-out-of-order = Los paquetes tomaron varios caminos, o la captura los mezcló: en una captura hecha en quien envía, fue la captura
finding-lost-segment = faltan en la captura bytes anteriores a este segmento
why-lost-segment = Se perdieron en el camino o la captura no los vio: si el otro los confirma sin que se repitan, fue la captura
finding-ack-lost-segment = confirma bytes que no están en la captura
why-ack-lost-segment = El otro los tiene, así que la captura no los vio
finding-window-update = solo cambió la ventana
why-window-update = El programa leyó y vuelve a haber espacio
finding-window-full = llena la ventana del otro hasta el último byte
why-window-full = El programa que recibe lee más despacio de lo que llega, o su búfer es pequeño para esta demora
finding-window-probe = inferido: un sondeo de ventana, pues la ventana del otro extremo está cerrada
why-window-probe = Quien envía tiene más datos y pregunta si ya hay lugar; si no tuviera nada que enviar sería un keep-alive, que se ve igual
finding-keep-alive = un keep-alive: ¿hay alguien?
why-keep-alive = La conexión está inactiva y SO_KEEPALIVE está activado
finding-keep-alive-ack = la respuesta a un keep-alive
why-keep-alive-ack = El otro está ahí
finding-duplicate-ack = la misma confirmación otra vez
why-duplicate-ack = Llegó un segmento cuyo anterior falta; tres seguidas hacen que quien envía repita
finding-zero-window-probe = un byte hacia una ventana cerrada
why-zero-window-probe = Quien envía pregunta si vuelve a haber espacio
finding-zero-window = la ventana está cerrada
why-zero-window = El programa que recibe no lee: está ocupado o espera otra cosa
finding-zero-window-probe-ack = la respuesta a un sondeo, con la ventana aún cerrada
why-zero-window-probe-ack = Todavía no hay espacio
severity-warn = aviso
severity-note = nota
severity-chat = normal
findings-none = Nada que merezca atención.
findings-left-out = { $count ->
    [one] se encontró uno más
   *[other] se encontraron { $count } más
 } de los que se guardan
column-conversation = Conv.
column-a = A
column-b = B
column-packets = Paquetes
column-bytes = Bytes
column-from-a = Bytes A → B
column-from-b = Bytes B → A
column-duration = Duración
column-handshake = Saludo
column-retransmissions = Repetidos
column-end = Final
column-rfc = RFC
column-severity = Gravedad
column-finding = Hallazgo
end-open = no está en esta captura
follow-gap = { $side } [{ $count ->
    [one] falta 1 byte
   *[other] faltan { $count } bytes
 } en la captura]
end-closed = los dos cerraron
end-half-closed = solo cerró { $who }
end-reset = la cortó { $who } con RST en { $frame }
role-client = el cliente
role-server = el servidor
story-head = Conversación { $stream }: { $a } y { $b }
story-handshake = Saludo de tres vías en { $frames }: { $client } es el cliente, { $server } el servidor
story-handshake-part = Del saludo solo se vio { $frames }: { $client } es el cliente, { $server } el servidor
story-no-handshake = Su comienzo no está en la captura
story-turn = { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } que envía { $who } en { $frames }{ $segments ->
    [one] {""}
   *[other] {" "}({ $segments } segmentos)
 }{ $again ->
    [yes] {", "}algunos bytes más de una vez
   *[no] {""}
 }, { $acked ->
    [yes] confirmados por { $by }
   *[no] sin confirmar en esta captura
 }
story-no-data = Sin datos
story-turns-left-out = Y { $count } segmentos más con datos, que se cuentan y no se listan
story-close-first = Cierre: primero { $who }, en { $frames }{ $acked ->
    [yes] {""}
   *[no] {" "}(sin confirmar en esta captura)
 }
story-close-then = Después { $who }, en { $frames }{ $acked ->
    [yes] {""}
   *[no] {" "}(sin confirmar en esta captura)
 }
story-reset = La cortó { $who } con RST en { $frame }{ $answers ->
    [0] {""}
   *[other] {", "}en respuesta a { $answers }
 }, { $idle } después del paquete anterior
finding-by = { $finding }, por { $who }
finding-reset = { $finding }, por { $who }{ $answers ->
    [0] {""}
   *[other] {", "}en respuesta a { $answers }
 } ({ $idle } después del paquete anterior)
story-open = Su final no está en la captura
story-in-order = Cada byte una sola vez y en orden
story-disorder = No todos los bytes llegaron una sola vez y en orden: segmentos con bytes que ya habían llegado: { $repeated }; segmentos a los que les faltan bytes antes: { $early }; confirmaciones de bytes que no se vieron: { $unseen }
story-others = { $count ->
    [one] La trama { $frames } no es
   *[other] Las tramas { $frames } no son
 } de ninguna conversación TCP
story-finding = { $severity }: { $finding } ({ $frames }; RFC { $rfc } §{ $section })
ladder-head = Conversación { $stream }: { $a } es el cliente, { $b } el servidor
ladder-head-both = Conversación { $stream }: { $a } y { $b }; la abrieron los dos a la vez
ladder-head-itself = Conversación { $stream }: { $a } está conectado consigo mismo: no se sabe qué lado envió cada segmento
ladder-head-unknown = Conversación { $stream }: A es { $a }, B es { $b }; su comienzo no está en la captura
ladder-legend = Entre paréntesis: inferido. Los segmentos concuerdan con ello, pero no lo prueban
ladder-others = { $count ->
    [one] 1 trama no es
   *[other] { $count } tramas no son
 } de ninguna conversación TCP
note-ladder-cut = la conversación { $stream } sigue con { $count ->
    [one] 1 segmento más, que no se muestra
   *[other] { $count } segmentos más, que no se muestran
 } para no pasar el límite de memoria; --conversation { $stream } los muestra todos
note-ladder-left-out = { $count ->
    [one] 1 segmento es
   *[other] { $count } segmentos son
 } de conversaciones que no se muestran, o no completas, para no pasar el límite de memoria; --conversation N muestra cualquiera de ellas
lane-client = cliente
lane-server = servidor
cause-answers = responde a #{ $frame }
cause-opens = pide una conexión
cause-acknowledges = confirma { $frames }
cause-acknowledges-part = confirma una parte de #{ $frame }
cause-acknowledges-unseen = confirma lo que falta en la captura
cause-repeats-acknowledgement = confirma lo mismo que #{ $frame }
cause-repeats = repite { $frames }
cause-repeats-part = repite { $frames }, y más
cause-leaves-gap = faltan los bytes anteriores
cause-ends = termina: no envía más
cause-keep-alive = pregunta: ¿sigues ahí?
cause-window-probe = pregunta: ¿sigue cerrada la ventana?
cause-window-update = ventana { $from } → { $to }
cause-refuses = rechaza la conexión
cause-resets-data-after-close = reinicia: ya había cerrado
cause-resets-unread = reinicia: quedaron bytes sin leer
cause-aborts = reinicia la conexión
trace-exited = termina con { $status }
trace-killed = terminado por { $signal }
trace-legend = Entre paréntesis: inferido. Lo que se sabe concuerda con ello, pero no lo prueba
trace-legend-conversations = c0, c1, …: la conversación a la que pertenece un segmento o una llamada
trace-legend-threads = t1, t2, …: los hilos y procesos de un programa, en el orden en que hicieron algo
trace-caused-listens = del núcleo, por esa llamada
trace-caused-completes = del núcleo, por esa llamada
trace-caused-writes-again = otra vez
trace-caused-leaves-unread = quedaron bytes sin leer
trace-caused-aborts = SO_LINGER es 0
trace-caused-dissolves = se disuelve la conexión
trace-caused-leaves-unaccepted = la conexión nunca se aceptó
trace-caused-was-gone = el socket ya estaba cerrado
trace-caused-takes = hay lugar otra vez
trace-caused-more = → { $count ->
    [one] 1 segmento más
   *[other] { $count } segmentos más
 }
note-calls-left-out = { $count ->
    [one] 1 renglón no se muestra
   *[other] { $count } renglones no se muestran
 }, para no pasar el límite de memoria; --json escribe todo
trace-bulk = { $count } segmentos
trace-bulk-frames = #{ $first } … #{ $last }, { $acks } ACK
summary-opened = Conversación { $stream }: la abrió { $who }
summary-opened-both = Conversación { $stream }: la abrieron ambos extremos
summary-not-opened = Conversación { $stream }: quién la abrió no está en la grabación
summary-ended = { $who } envió el primer FIN (#{ $frame })
summary-reset = { $who } la reinició (#{ $frame })
summary-open = ni FIN ni RST en la grabación
summary-side = { $who }: { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } en { $segments ->
    [one] 1 segmento
   *[other] { $segments } segmentos
 }, { $calls ->
    [one] 1 llamada
   *[other] { $calls } llamadas
 }
summary-waited = tiempo en { $calls }
summary-taken-off = (sin los { $time } en que la traza retuvo un programa)
summary-off-multipath = { $who } usa MPTCP, o un socket de MPTCP: qué llamadas escribieron sus bytes no se dice
summary-off-other-bytes = { $who } envía otros bytes que los que escriben sus llamadas (TLS en el núcleo, TCP_REPAIR): de qué llamadas son no se dice
summary-off-unseen-calls = { $who } también lo usan llamadas que no se ven: de quién son los bytes solo queda probado donde lo dicen los contadores del núcleo
summary-others = Otros sockets, cuyas llamadas no se siguen: { $sockets }
summary-another = de otras clases
summary-held = La traza retuvo a los programas { $time } en total; los tiempos de las filas incluyen eso y lo demás que agrega
summary-causes = causas de sus segmentos: { $proved } probadas, { $inferred } inferidas
summary-more = { $count ->
    [one] 1 conversación más no se resume
   *[other] { $count } conversaciones más no se resumen
 } aquí
told-call = { $call } en { $file }:{ $line }
told-opens = { $who } la abre con { $calls } ({ $frames })
told-listens = El núcleo responde por { $who }, que escucha desde { $calls } ({ $frames })
told-accepts = { $who } la toma con { $calls }, que tardó { $time }
told-writes = { $who } envía { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } con { $calls } en { $count ->
    [one] 1 segmento
   *[other] { $count } segmentos
 } ({ $frames })
told-writes-again = Bytes que { $who } escribió con { $calls } se envían otra vez ({ $frames })
told-reads = { $who } lee { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } con { $calls } en { $count ->
    [one] 1 llamada
   *[other] { $count } llamadas
 }{ $known ->
    [yes] {" "}(llegaron con { $frames })
   *[no] {""}
 }
told-ends = { $who } termina su flujo de bytes con { $calls } ({ $frames })
told-leaves-unread = { $who } la reinicia ({ $frames }): { $calls } cerró el socket con bytes que nadie había leído, al menos { $bytes }
told-aborts = { $who } la reinicia ({ $frames }): { $calls } cerró el socket, y su SO_LINGER es 0
told-dissolves = { $who } la reinicia con { $calls } ({ $frames })
told-leaves-unaccepted = { $who } la reinicia ({ $frames }): { $calls } cerró el socket que escuchaba antes de que alguien la aceptara
told-was-gone = El núcleo la reinicia por { $who } ({ $frames }): { $calls } ya había cerrado el socket
told-not-accepted = En la grabación no hay ningún accept que la tome
told-inferred = { $text } (inferido)
told-left-out = { $count ->
    [one] 1 paso más de sus llamadas no se cuenta
   *[other] { $count } pasos más de sus llamadas no se cuentan
 }, para no pasar el límite de memoria
trace-recording = la grabación
trace-bulk-closed = ventana cerrada { $count ->
    [one] una vez
   *[other] { $count } veces
 }
trace-process = empieza el proceso { $number }
trace-thread = empieza el hilo { $number }
trace-signalled = recibe { $signal }
remarks-head = Merece una segunda mirada:
remarks-of = Conversación { $stream }:{" "}
remarks-more = { $count ->
    [one] Falta aquí 1 observación
   *[other] Faltan aquí { $count } observaciones
 } más; --json las escribe, las que se conservaron
told-remark = Merece una segunda mirada: { $text }
remarked-small-writes = { $who } envía { $bytes } bytes en { $count } segmentos seguidos más cortos que sus cabeceras, con { $calls } (desde #{ $first })
remarked-why-small-writes = Cada segmento lleva 40 bytes de cabeceras o más, y cada llamada entra al núcleo: junta lo que va junto y escríbelo con una sola llamada (o con writev, MSG_MORE, TCP_CORK)
remarked-small-reads = { $who } lee { $bytes } bytes con { $count } llamadas seguidas que recibieron todo lo que pedían mientras había más: { $calls }
remarked-why-small-reads = Un búfer más grande toma lo que hay con una sola llamada; quien responde cada pedazo por separado envía además un segmento por cada uno
remarked-nagle-delayed-ack = Lo que { $who } escribió con { $calls } esperó la confirmación de #{ $first }, que el otro extremo dio después de { $time } (#{ $second }, luego #{ $third })
remarked-why-nagle-delayed-ack = El algoritmo de Nagle retiene un segmento corto mientras otro no tenga confirmación (RFC 9293 §3.7.4), y el otro extremo retrasa su confirmación por si una respuesta puede llevarla (§3.8.6.3): escribe las dos partes con una sola llamada, o activa TCP_NODELAY
remarked-left-unread = { $who } reinicia la conexión (#{ $first }): { $calls } cerró el socket con { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } sin leer, por lo menos
remarked-why-left-unread = Lo que no se leyó se pierde; el RST se lo dice al otro extremo, y puede quitarle una respuesta que aún no ha leído (RFC 2525 §2.17): lee hasta que recv dé 0 bytes, y entonces cierra
remarked-answered-before-all-read = { $who } responde con { $calls } mientras { $bytes ->
    [one] queda por leer 1 byte más
   *[other] quedan por leer { $bytes } bytes más
 } del otro extremo
remarked-why-answered-before-all-read = TCP lleva un flujo, no mensajes: recv da lo que ha llegado, que puede ser parte de un mensaje o más de uno; lee hasta tener el mensaje completo, por su longitud, por su fin de línea o por el fin del flujo
remarked-sent-to-gone = A { $who } le llegan bytes para un socket que { $calls } ya había cerrado, y los responde un RST (#{ $first })
remarked-why-sent-to-gone = Los dos programas no están de acuerdo en quién dice la última palabra: shutdown (SHUT_WR) dice «no envío más» y deja seguir leyendo; cierra cuando recv dé 0 bytes
remarked-nothing-there = { $who } pregunta { $count } veces seguidas, en { $time }, y no hay nada (EAGAIN): { $calls }
remarked-why-nothing-there = Cada una de estas llamadas toma tiempo y no da nada: poll, select o epoll esperan hasta que haya algo
remarked-short-writes = { $count ->
    [one] Una llamada de { $who } tomó menos de lo que se le dio
   *[other] { $count } llamadas de { $who } tomaron menos de lo que se les dio
 } para enviar, { $bytes ->
    [one] 1 byte
   *[other] { $bytes } bytes
 } menos en total: { $calls }
remarked-why-short-writes = Una llamada que escribe toma solo una parte cuando el búfer del socket está lleno; su resultado dice cuánto, y el resto hay que escribirlo otra vez (sendall de Python lo hace)
remarked-left-to-exit = { $who } termina sin cerrar la conexión, así que la cierra el núcleo
remarked-why-left-to-exit = En un programa que sigue, lo que no se cierra queda abierto: el otro extremo espera un fin que no llega, y los descriptores se acaban
remarked-timer-moved = { $count ->
    [one] Se agotó un temporizador de { $who } y envió #{ $frames }
   *[other] Se agotaron temporizadores de { $who } y enviaron { $count } segmentos (#{ $frames })
 }: en la espera anterior, la traza retuvo programas { $time }
remarked-why-timer-moved = Sin la traza, los programas quizá habrían sido más rápidos que el temporizador, y lo que envió quizá habría ido con otros bytes, después, o no habría ido
trace-a-program = un programa
trace-a-call = una llamada
trace-its-end = su fin por una señal
trace-by-listens = el núcleo, por { $calls }
trace-by-completes = el núcleo, por { $calls }
trace-by-writes-again = bytes de { $calls }, otra vez
trace-by-leaves-unread = { $calls } dejó bytes sin leer
trace-by-aborts = { $calls } aborta (SO_LINGER 0)
trace-by-dissolves = { $calls } la disuelve
trace-by-leaves-unaccepted = { $calls } la dejó sin aceptar
trace-by-was-gone = { $calls } ya la había cerrado
trace-by-takes = { $calls } hizo lugar
trace-now-inside = dentro de { $call }
trace-arrives-again = · #{ $frame } otra vez ·
trace-now-answers = responde a #{ $frame }
trace-now-released-window = #{ $frame } abrió la ventana
trace-now-released-nagle = esperó a #{ $frame } (Nagle)
trace-now-released-flight = #{ $frame } hizo lugar
trace-now-uncorked = { $call } lo soltó
trace-now-timer-retransmission = temporizador de retransmisión
trace-now-timer-tail-loss-probe = sondeo de pérdida de cola
trace-now-timer-delayed-ack = confirmación retrasada
trace-now-timer-keep-alive = temporizador de keep-alive
trace-now-timer-window-probe = temporizador de sondeo de ventana
trace-now-timer-cork = temporizador de TCP_CORK
note-facts-newer = la grabación tiene hechos de la versión { $version }, que solo puede leer un enchufe más nuevo: no se { $count ->
    [one] muestra uno
   *[other] muestran { $count }
 } de ellos
note-facts-broken = { $count ->
    [one] un hecho de la grabación no se pudo leer: está dañado
   *[other] { $count } hechos de la grabación no se pudieron leer: están dañados
}
remark-reused-ports = puertos usados otra vez
remark-retransmission = retransmisión
remark-fast-retransmission = retransmisión rápida
remark-spurious-retransmission = retransmisión innecesaria
remark-out-of-order = fuera de orden
remark-lost-segment = faltan en la captura los bytes anteriores
remark-ack-lost-segment = falta en la captura lo confirmado
remark-window-update = cambio de ventana
remark-window-full = ventana llena
remark-keep-alive = keep-alive
remark-keep-alive-ack = keep-alive respondido
remark-duplicate-ack = confirmación repetida
remark-zero-window-probe = sondeo de ventana
remark-zero-window = ventana cerrada
remark-zero-window-probe-ack = sondeo respondido
note-forgotten = se olvidaron { $count } conversaciones para no pasar el límite de memoria: no se listan
note-not-remembered = no se recordaron { $count } fragmentos, solicitudes de eco, direcciones y conversaciones de UDP para no pasar el límite de memoria: las filas que nombrarían su pareja o su número no lo hacen
note-copied = { $count ->
    [one] 1 paquete escrito
   *[other] { $count } paquetes escritos
 } en { $path }
note-untold = { $count } paquetes son de conversaciones que ya no se cuentan, o de tramos que ya no se listan
note-backwards = los tiempos retroceden en el paquete { $frame }: se muestran tal cual
note-unknown-link = el paquete { $frame } tiene el tipo de enlace { $link }, que no se decodifica: las filas de esos paquetes solo muestran su tiempo y su longitud; otros programas decodifican más de los de https://www.tcpdump.org/linktypes.html
note-not-copied = { $count ->
    [one] se dejó fuera 1 bloque propio de un programa
   *[other] se dejaron fuera { $count } bloques propios de un programa
 }: solo su autor puede copiar un bloque así, o sabe cómo
note-lost = el programa que capturó { $path } perdió { $count ->
    [one] 1 paquete: lo que falta
   *[other] { $count } paquetes: lo que falta
 } puede ser por eso, no por la red
