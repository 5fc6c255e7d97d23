//! An HTTP/1.1 server on loopback with which anything can be wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};

/// What a server says to a request.
pub enum Reply {
    /// A whole answer
    Whole { status: u16, headers: Vec<String>, body: Vec<u8> },
    /// Whatever this does with the connection, which is closed then
    Raw(Act),
}

type Act = Box<dyn FnOnce(&mut TcpStream, &Held) + Send>;

impl Reply {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        let headers = vec!["Content-Type: application/json".to_owned()];
        Self::Whole { status: 200, headers, body: body.into() }
    }

    pub fn status(status: u16) -> Self {
        Self::Whole { status, headers: Vec::new(), body: b"{}".to_vec() }
    }

    pub fn raw(act: impl FnOnce(&mut TcpStream, &Held) + Send + 'static) -> Self {
        Self::Raw(Box::new(act))
    }

    /// Says nothing for as long as the server lives.
    pub fn never() -> Self {
        Self::raw(|_, held| held.wait())
    }
}

/// A port at which nobody listens, and which nobody else is given meanwhile: another test's server
/// could be at one that was only free.
pub struct Nobody {
    pub address: SocketAddr,
    _socket: OwnedFd,
}

impl Nobody {
    pub fn new() -> Self {
        let socket =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let address: SockaddrIn = getsockname(socket.as_raw_fd()).unwrap();
        Self { address: SocketAddrV4::from(address).into(), _socket: socket }
    }
}

/// Something to wait for that comes when the server ends.
#[derive(Default)]
pub struct Held {
    over: Mutex<bool>,
    changed: Condvar,
}

impl Held {
    pub fn wait(&self) {
        let mut over = self.over.lock().unwrap();
        while !*over {
            over = self.changed.wait(over).unwrap();
        }
    }

    /// Waits for the next step of something slow, and tells whether to go on.
    pub fn pause(&self, time: Duration) -> bool {
        let over = self.over.lock().unwrap();
        let (over, _) = self.changed.wait_timeout_while(over, time, |over| !*over).unwrap();
        !*over
    }

    pub fn is_over(&self) -> bool {
        *self.over.lock().unwrap()
    }

    fn release(&self) {
        *self.over.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: usize,
    /// Heads of requests as they came
    requests: Vec<String>,
}

/// Ends with all its connections and threads when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    held: Arc<Held>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with what `answer` makes of its target.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::hearing(move |target, _| answer(target))
    }

    /// Answers each request with what `answer` makes of its target and its whole head.
    pub fn hearing(answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(move |stream, seen, held| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(head) = read_head(&mut reader) {
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().requests.push(head.clone());
                match answer(&target, &head) {
                    Reply::Whole { status, headers, body } => {
                        if write_whole(stream, status, &headers, &body).is_err() {
                            return;
                        }
                    }
                    Reply::Raw(act) => return act(stream, held),
                }
            }
        })
    }

    /// Does this with each connection, before anything was read from it.
    pub fn on_connection(act: impl Fn(&mut TcpStream, &Held) + Send + Sync + 'static) -> Self {
        Self::listen(move |stream, _, held| act(stream, held))
    }

    fn listen(act: impl Fn(&mut TcpStream, &Mutex<Seen>, &Held) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, streams, held) = (
            Arc::<Mutex<Seen>>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<Held>::default(),
        );
        let thread = {
            let (seen, streams, held) =
                (Arc::clone(&seen), Arc::clone(&streams), Arc::clone(&held));
            std::thread::spawn(move || accept(&listener, &act, &seen, &streams, &held))
        };
        Self { address, seen, streams, held, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// As an endpoint of [`super::World::rebuilder`].
    pub fn endpoint(&self) -> String {
        format!("rebuilderd {}", self.url())
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// The first lines of the requests.
    pub fn request_lines(&self) -> Vec<String> {
        let line = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.requests().iter().map(line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.held.release();
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    act: &(impl Fn(&mut TcpStream, &Mutex<Seen>, &Held) + Send + Sync),
    seen: &Mutex<Seen>,
    streams: &Mutex<Vec<TcpStream>>,
    held: &Held,
) {
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            {
                // Under the lock: either the end closes this connection, or it is seen here.
                let mut streams = streams.lock().unwrap();
                if held.is_over() {
                    return;
                }
                streams.push(stream.try_clone().unwrap());
            }
            seen.lock().unwrap().connections += 1;
            scope.spawn(move || {
                act(&mut stream, seen, held);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
}

/// Reads up to the empty line; nothing if the connection ends.
pub fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head.get(start..) == Some("\r\n") {
            return Some(head);
        }
    }
}

pub fn write_whole(
    stream: &mut impl Write,
    status: u16,
    headers: &[String],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|header| head += &format!("{header}\r\n"));
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())
}
