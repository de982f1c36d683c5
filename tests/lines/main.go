// Both ends of a connection, in goroutines that the runtime interrupts with signals.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

func say(conn net.Conn, text string) {
	if _, err := conn.Write([]byte(text)); err != nil { // line: write
		panic(err)
	}
}

func serve(listener net.Listener, done *sync.WaitGroup) {
	defer done.Done()
	conn, err := listener.Accept() // line: accept4, accept, getsockname, setsockopt
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 16)
	for {
		count, err := conn.Read(buffer) // line: read
		if err != nil {
			break
		}
		say(conn, string(buffer[:count]))
	}
	conn.Close() // line: close
}

// Never calls: to stop it for the others, the runtime sends it a signal.
func spin(stop *int32) {
	for atomic.LoadInt32(stop) == 0 {
	}
}

func main() {
	var stop int32
	runtime.GOMAXPROCS(4)
	for at := 0; at < 4; at++ {
		go spin(&stop)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0") // line: socket, setsockopt, bind, listen, getsockname
	if err != nil {
		panic(err)
	}
	var done sync.WaitGroup
	done.Add(1)
	go serve(listener, &done)
	conn, err := net.Dial("tcp4", listener.Addr().String()) // line: socket, setsockopt, connect, getsockopt, getsockname, getpeername
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 16)
	for at := 0; at < 20; at++ {
		say(conn, "hola")
		runtime.GC()
		count, err := conn.Read(buffer) // line: read
		if err != nil {
			panic(err)
		}
		if at == 19 {
			fmt.Fprintln(os.Stdout, string(buffer[:count])) // line: write
		}
	}
	conn.Close() // line: close
	done.Wait()
	atomic.StoreInt32(&stop, 1)
	listener.Close() // line: close
}
