//! A web server on loopback whose answers the test decides.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a server answers.
#[derive(Clone)]
pub enum Answer {
    /// 200 with these bytes (or the range of them that was asked for)
    Body(Arc<[u8]>),
    /// 302 to this URL
    Redirect(String),
    /// 404
    None,
    /// Nothing, with the connection left open
    Hang,
    /// This status
    Status(u16),
    /// The first half of a body, and then nothing more
    Stall(Arc<[u8]>),
    /// Another answer after this time
    Late(Duration, Box<Answer>),
    /// A body, of which a byte comes each second
    Drip(Arc<[u8]>),
}

type Handler = dyn Fn(&str) -> Answer + Send + Sync;

/// A server that runs until the test process ends.
#[derive(Clone)]
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    handler: Arc<Handler>,
}

impl Server {
    /// Answers each path (with its query) by `handler`.
    pub fn start(handler: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(handler, None)
    }

    /// The same over TLS.
    pub fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        handler: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(handler, Some(tls))
    }

    fn start_with(
        handler: impl Fn(&str) -> Answer + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let server = Self { port, requests: Arc::clone(&requests), handler: Arc::clone(&handler) };
        let log = requests;
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (handler, log, tls) = (Arc::clone(&handler), Arc::clone(&log), tls.clone());
                std::thread::spawn(move || match tls {
                    None => talk(connection, &*handler, &log),
                    Some(tls) => {
                        let session = rustls::ServerConnection::new(tls).unwrap();
                        talk(rustls::StreamOwned::new(session, connection), &*handler, &log)
                    }
                });
            }
        });
        server
    }

    /// What it would answer, without being asked over the network.
    pub fn answer(&self, path: &str) -> Answer {
        (self.handler)(path)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The paths that were asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The time of a file's last change. Another content has another one: apt takes an index of the same
/// size and time for the one that it has read.
fn modified(body: &[u8]) -> String {
    let sum =
        body.iter().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let (hour, minute, second) = (sum % 24, sum / 24 % 60, sum / 1440 % 60);
    format!("Thu, 01 Jan 2026 {hour:02}:{minute:02}:{second:02}")
}

fn talk(connection: impl Read + Write, handler: &Handler, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut input = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            input.read_line(&mut header).ok()?;
            match header.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None => break,
            };
        }
        log.lock().unwrap().push(path.clone());
        let status =
            |code: u16| format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let mut chosen = handler(&path);
        while let Answer::Late(delay, answer) = chosen {
            std::thread::sleep(delay);
            chosen = *answer;
        }
        let answer = match chosen {
            Answer::Late(..) => return None,
            Answer::Drip(body) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let output = input.get_mut();
                output.write_all(head.as_bytes()).ok()?;
                for byte in body.iter() {
                    output.write_all(&[*byte]).and_then(|()| output.flush()).ok()?;
                    std::thread::sleep(Duration::from_secs(1));
                }
                continue;
            }
            Answer::None => status(404),
            Answer::Status(code) => status(code),
            Answer::Redirect(to) => {
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
                    .into_bytes()
            }
            Answer::Hang => loop {
                std::thread::park();
            },
            Answer::Stall(body) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let output = input.get_mut();
                output.write_all(head.as_bytes()).ok()?;
                output.write_all(&body[..body.len() / 2]).ok()?;
                output.flush().ok()?;
                loop {
                    std::thread::park();
                }
            }
            Answer::Body(body) => {
                let from = headers
                    .get("range")
                    .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
                    .filter(|from| *from < body.len());
                let (code, from, extra) = match from {
                    Some(from) => {
                        let last = body.len() - 1;
                        (
                            206,
                            from,
                            format!("Content-Range: bytes {from}-{last}/{}\r\n", body.len()),
                        )
                    }
                    None => (200, 0, String::new()),
                };
                let part = &body[from..];
                let head = format!(
                    "HTTP/1.1 {code} OK\r\nLast-Modified: {} GMT\r\n{extra}Content-Length: {}\r\n\r\n",
                    modified(&body),
                    part.len()
                );
                [head.as_bytes(), part].concat()
            }
        };
        input.get_mut().write_all(&answer).and_then(|()| input.get_mut().flush()).ok()?;
    }
}
