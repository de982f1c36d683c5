//! Both ends of a connection, through Rust's library.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn say(stream: &mut impl Write, text: &str) {
    stream.write_all(text.as_bytes()).expect("sent"); // line: sendto, write
}

fn serve(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().expect("a connection"); // line: accept4
    let mut buffer = [0; 16];
    let count = stream.read(&mut buffer).expect("bytes"); // line: recvfrom
    stream.write_all(&buffer[..count]).expect("sent"); // line: sendto
    drop(stream); // line: close, fcntl
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener"); // line: socket, setsockopt, bind, listen
    let place = listener.local_addr().expect("an address"); // line: getsockname
    let server = thread::spawn(move || {
        serve(&listener);
        drop(listener); // line: close, fcntl
    });
    let mut stream = TcpStream::connect(place).expect("a connection"); // line: socket, connect
    say(&mut stream, "hola");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text"); // line: recvfrom
    assert_eq!(text, "hola");
    server.join().expect("an end");
    drop(stream); // line: close, fcntl
}
