# Lo que se dice con otras palabras donde no está el crate que observa: ahí faltan órdenes, servicios, motores y
# opciones, las comillas son las del símbolo del sistema y no se nombra nada de Linux. Los ids son los de es.ftl.

after-serve = Servicios:
      echo      devuelve lo que llega, hasta que el otro extremo termina
      receive   muestra lo que llega
      reply     responde RESPUESTA una vez y cierra
      ask       muestra lo que llega y tú escribes la respuesta
      discard   descarta lo que llega
      chargen   envía caracteres sin fin
      daytime   envía la fecha y la hora y cierra

    Direcciones: 4000 o :4000 es solo esta computadora; 0.0.0.0:4000 es toda la red IPv4, [::]:4000 toda la IPv6, *:4000 las dos.
    Puertos de costumbre: echo, ask y los demás 4000; receive y reply 8080. Ctrl-C termina.

    Ejemplos:
      enchufe serve echo
      enchufe serve echo --engine blocking --backlog 1 --read-size 19
      enchufe serve reply "Hola desde el servidor" --once --listen 0.0.0.0:8080
after-send = Sin MENSAJE, envía la entrada; si es una terminal, pide cada mensaje (Ctrl-D termina).
    La respuesta sale por la salida estándar, lo demás por la de errores.

    Ejemplos:
      enchufe send 127.0.0.1:4000 "Aquí va el mensaje" --expect echo
      enchufe send 127.0.0.1:8080 "¡Hola, servidor!" --no-reply
      enchufe send servidor:4000 --retry 10s --file pregunta.txt
arg-serve-answer = Qué responde «reply»
arg-read-words = Capturas, o - para la entrada estándar; después, si no es un archivo, un filtro de visualización de Wireshark: "tcp.port == 8080"
flag-engine = blocking: una conexión a la vez; threads: un hilo por conexión; auto: el que más aguanta (el de costumbre)
flag-drain = Al terminar, cuánto tiempo se da a las conexiones que siguen abiertas (5s)
flag-view = Qué se muestra: packets, los paquetes; conversations, las conversaciones; findings, los hallazgos; ladder, el diagrama de secuencia; calls, las llamadas, de una grabación hecha en Linux (packets)
flag-write = Escribir los paquetes en ARCHIVO, como pcapng en nanosegundos (así no se muestran filas, y - es la salida estándar)
flag-no-reply = No mostrar respuesta: termina cuando se envió todo y terminó el otro extremo; si su TCP lo confirmó, este sistema no lo dice
flag-wait = Cuánto esperar el final del otro extremo con --no-reply, o el silencio de --expect nothing (5s)
event-short = { $of ->
        [connections] Se llegó al máximo de conexiones ({ $limit }): a las nuevas se les responde con un reinicio
        [threads] El sistema no da más hilos: a las conexiones nuevas se les responde con un reinicio
        [accept] accept falla una y otra vez («{ $cause }»): las conexiones nuevas esperan en la cola, y se intenta de nuevo cada segundo
       *[memory] El sistema no tiene lugar para más sockets: las conexiones nuevas esperan en la cola
    }
io-FileTooLarge = el archivo es más grande de lo que permite este sistema
way-descriptors = da menos archivos
way-limit = termina otros programas o inténtalo más tarde
way-allow-call = este sistema no se lo permite a este programa: pide que se permita
way-directory = créalo primero o da otro archivo
way-look = revisa su nombre o da otro archivo
way-permission = cambia sus permisos o da otro archivo
problem-no-answer = falta qué responder; escribe: enchufe serve reply "Hola desde el servidor"
problem-no-target = falta a quién; escribe: enchufe send 127.0.0.1:4000 "Hola"
problem-no-terminal = «serve ask» necesita un teclado y la entrada no es una terminal; para responder siempre lo mismo: enchufe serve reply "Hola"
