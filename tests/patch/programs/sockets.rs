// Prints the protocol of a listener and of a connection.
use std::net::{TcpListener, TcpStream};
use std::os::unix::io::AsRawFd;

extern "C" {
    fn getsockopt(fd: i32, level: i32, name: i32, value: *mut i32, length: *mut u32) -> i32;
}

fn protocol(fd: i32) -> i32 {
    let (mut value, mut length) = (-1, 4);
    unsafe { getsockopt(fd, 1, 38, &mut value, &mut length) };
    value
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    println!("{} {}", protocol(listener.as_raw_fd()), protocol(stream.as_raw_fd()));
}
