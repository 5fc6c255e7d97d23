//! A SOCKS 5 proxy on loopback (RFC 1928, RFC 1929): it lets in whoever has a login, looks names up
//! in a list, and notes what it is asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::Server;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub user: String,
    pub password: String,
    /// Whether the client left looking the name up to the proxy
    pub by_name: bool,
    pub host: String,
    pub port: u16,
}

pub struct Socks {
    pub server: Server,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Socks {
    /// Knows these names, at any port. No other host can be reached by it.
    pub fn knowing(names: &[(&str, SocketAddr)]) -> Self {
        let names: BTreeMap<String, SocketAddr> =
            names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let noted = Arc::clone(&asked);
        let server = Server::on_connection(move |stream, _| {
            let Some(wanted) = handshake(stream) else { return };
            noted.lock().unwrap().push(wanted.clone());
            match names.get(&wanted.host).and_then(|to| TcpStream::connect(to).ok()) {
                Some(target) => {
                    let _ = stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]);
                    carry(stream, target);
                }
                None => _ = stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]),
            }
        });
        Self { server, asked }
    }

    /// As `proxy` under `[network]`.
    pub fn url(&self) -> String {
        format!("socks5h://{}", self.server.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Lets a client in that has a login, and gives what it wants; nothing for any other.
fn handshake(stream: &mut TcpStream) -> Option<Asked> {
    let [5, methods] = take(stream)? else { return None };
    if !take_some(stream, methods)?.contains(&2) {
        let _ = stream.write_all(&[5, 0xff]);
        return None;
    }
    stream.write_all(&[5, 2]).ok()?;
    let [1] = take(stream)? else { return None };
    let (user, password) = (take_text(stream)?, take_text(stream)?);
    stream.write_all(&[1, 0]).ok()?;
    let [5, 1, 0, kind] = take(stream)? else { return None };
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(stream)?).to_string(),
        3 => take_text(stream)?,
        4 => Ipv6Addr::from(take::<16>(stream)?).to_string(),
        _ => return None,
    };
    let port = u16::from_be_bytes(take(stream)?);
    Some(Asked { user, password, by_name: kind == 3, host, port })
}

fn take<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn take_some(stream: &mut TcpStream, count: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count.into()];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn take_text(stream: &mut TcpStream) -> Option<String> {
    let [length] = take(stream)?;
    String::from_utf8(take_some(stream, length)?).ok()
}

/// Carries bytes in both directions until one side ends.
pub fn carry(client: &mut TcpStream, mut server: TcpStream) {
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let mut back = client.try_clone().unwrap();
    let _ = std::io::copy(&mut server, &mut back);
    let _ = client.shutdown(Shutdown::Both);
    up.join().unwrap();
}
