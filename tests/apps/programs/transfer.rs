//! Serves a file to each client, or fetches one; each stream with a TTL of its own:
//! transfer serve PORT FILE | transfer fetch PORT > FILE

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let address = format!("127.0.0.1:{}", arguments[2]);
    if arguments[1] == "fetch" {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_ttl(42).unwrap();
        assert_eq!(stream.ttl().unwrap(), 42);
        let mut content = Vec::new();
        stream.read_to_end(&mut content).unwrap();
        std::io::stdout().write_all(&content).unwrap();
        return;
    }
    let content = std::fs::read(&arguments[3]).unwrap();
    let listener = TcpListener::bind(address).unwrap();
    listener.set_ttl(43).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_ttl(44).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&content).unwrap();
    }
}
