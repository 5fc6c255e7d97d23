//! A rebuilder on loopback that answers as rebuilderd's API of version 1 does, fast, and counts
//! what it is asked.
//!
//! It speaks HTTP/1.1 in plain, and over TLS HTTP/2 to those who offer it. It can add a delay to
//! every answer, or hold all answers back until whoever counts round trips lets them go.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::Digest as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

/// A package that the rebuilder has built.
#[derive(Clone, Debug)]
pub struct Built {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Of the file, in hexadecimal
    pub sha256: String,
}

/// What a rebuilder is like.
pub struct Settings {
    /// What its key is made of
    pub seed: [u8; 32],
    /// What it has built and signed
    pub built: Vec<Built>,
    /// Other packages that it lists, for each of those
    pub others: usize,
    /// Added to every answer
    pub delay: Duration,
    /// Whether answers are said to come from a cache in front of it
    pub cached: bool,
    /// For https
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Who lets answers go, if not the clock
    pub barrier: Option<Arc<Barrier>>,
    /// Where to listen
    pub address: SocketAddr,
}

/// What a rebuilder has seen.
#[derive(Default, Debug)]
pub struct Counts {
    pub requests: AtomicU64,
    pub connections: AtomicU64,
    /// Bytes of answers, without TLS
    pub sent: AtomicU64,
    /// Rounds of answers that were let go: the longest chain of requests of which each waited
    /// for an answer to one before it
    pub rounds: AtomicU64,
    /// Requests without an answer now, and the most at any time
    waiting: AtomicU64,
    pub most_at_once: AtomicU64,
}

impl Counts {
    fn begin(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let now = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
    }

    /// As one line of JSON.
    pub fn line(&self) -> String {
        let of = |it: &AtomicU64| it.load(Ordering::SeqCst);
        format!(
            r#"{{"requests":{},"connections":{},"sent":{},"rounds":{},"most_at_once":{}}}"#,
            of(&self.requests),
            of(&self.connections),
            of(&self.sent),
            of(&self.rounds),
            of(&self.most_at_once)
        )
    }

    /// Starts anew.
    pub fn reset(&self) {
        for it in [&self.requests, &self.connections, &self.sent, &self.rounds, &self.most_at_once]
        {
            it.store(0, Ordering::SeqCst);
        }
    }
}

/// Holds all answers of several rebuilders back. Whoever knows that no further request can come
/// before an answer lets them go, and so counts round trips without a clock.
pub struct Barrier {
    round: watch::Sender<u64>,
    counts: Mutex<Vec<Arc<Counts>>>,
}

impl Barrier {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { round: watch::Sender::new(0), counts: Mutex::default() })
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        let counts = self.counts.lock().unwrap();
        counts.iter().map(|it| it.requests.load(Ordering::SeqCst)).sum()
    }

    /// Requests that wait for an answer.
    pub fn waiting(&self) -> u64 {
        let counts = self.counts.lock().unwrap();
        counts.iter().map(|it| it.waiting.load(Ordering::SeqCst)).sum()
    }

    /// Lets all answers go that are held back now.
    pub fn let_go(&self) {
        for counts in self.counts.lock().unwrap().iter() {
            if counts.waiting.swap(0, Ordering::SeqCst) > 0 {
                counts.rounds.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.round.send_modify(|round| *round += 1);
    }
}

/// A rebuilder that is running, until this is dropped.
pub struct Rebuilder {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    key: SigningKey,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Rebuilder {
    pub fn start(settings: Settings) -> Self {
        let key = SigningKey::from_bytes(&settings.seed);
        let counts = Arc::<Counts>::default();
        if let Some(barrier) = &settings.barrier {
            barrier.counts.lock().unwrap().push(Arc::clone(&counts));
        }
        let listener = std::net::TcpListener::bind(settings.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let known = Known::new(&settings, &key);
        let server = Arc::new(Server {
            known,
            counts: Arc::clone(&counts),
            delay: settings.delay,
            cached: settings.cached,
            barrier: settings.barrier,
            tls: settings.tls.map(TlsAcceptor::from),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                tokio::spawn(server.accept(TcpListener::from_std(listener).unwrap()));
                // All that was spawned ends with the runtime.
                let _ = stopped.await;
            });
        });
        Self { address, counts, key, stop: Some(stop), thread: Some(thread) }
    }

    /// Its public key in PEM, as rebuilderd writes it: with a parameter that is NULL.
    pub fn public_key(&self) -> String {
        let header = b"\x30\x2c\x30\x07\x06\x03\x2b\x65\x70\x05\x00\x03\x21\x00";
        let der = [&header[..], self.key.verifying_key().as_bytes()].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    }
}

impl Drop for Rebuilder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What it can say.
struct Known {
    records: Vec<String>,
    by_name: HashMap<String, Vec<usize>>,
    links: HashMap<u64, Vec<u8>>,
    /// What apt-transport-in-toto asks for, by the name and version of the binary package
    metadata: HashMap<String, Vec<u8>>,
}

impl Known {
    fn new(settings: &Settings, key: &SigningKey) -> Self {
        let mut known = Self {
            records: Vec::new(),
            by_name: HashMap::new(),
            links: HashMap::new(),
            metadata: HashMap::new(),
        };
        for built in &settings.built {
            let id = known.list(built);
            known.links.insert(id, link(key, built));
            known.metadata.insert(format!("{}/{}", built.name, built.version), step(key, built));
            for other in 0..settings.others {
                known
                    .list(&Built { name: format!("{}-other{other}", built.name), ..built.clone() });
            }
        }
        known
    }

    /// Lists a package and gives its number.
    fn list(&mut self, built: &Built) -> u64 {
        let Built { name, version, architecture, .. } = built;
        self.by_name.entry(name.clone()).or_default().push(self.records.len());
        let id = self.records.len() as u64 + 1;
        // The fields and the sizes are those of rebuilderd 0.28.
        self.records.push(format!(
            r#"{{"id":{id},"name":"{name}","version":"{version}","distribution":"debian","release":"trixie","component":"main","architecture":"{architecture}","url":"http://archive.example/debian/pool/main/p/{name}/{name}_{version}_{architecture}.deb","status":"GOOD","build_id":{id},"artifact_id":{id},"diffoscope_log_id":null,"attestation_log_id":{id},"last_seen":"2026-11-22T03:05:39.479465935","seen_in_last_sync":true}}"#
        ));
        id
    }

    fn answer(&self, target: &str) -> Option<Vec<u8>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(rest) = path.strip_prefix("/api/v1/builds/") {
            let id = rest.split('/').next()?.parse().ok()?;
            return rest.ends_with("/attestation").then(|| self.links.get(&id).cloned())?;
        }
        if let Some(rest) = path.strip_prefix("/sources/") {
            return self.metadata.get(rest.strip_suffix("/metadata")?).cloned();
        }
        if path != "/api/v1/packages/binary" {
            return None;
        }
        let query: HashMap<&str, String> = query
            .split('&')
            .filter_map(|it| it.split_once('='))
            .map(|(key, value)| (key, decoded(value)))
            .collect();
        let number = |key: &str| query.get(key).and_then(|it| it.parse::<usize>().ok());
        let filters: Vec<String> = ["name", "version", "architecture"]
            .into_iter()
            .filter_map(|key| Some(format!(r#""{key}":"{}","#, query.get(key)?)))
            .collect();
        let matches = |record: &&String| filters.iter().all(|it| record.contains(it.as_str()));
        let found: Vec<&String> = match query.get("name") {
            Some(name) => {
                let places = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
                places.iter().map(|at| &self.records[*at]).filter(matches).collect()
            }
            None => self.records.iter().filter(matches).collect(),
        };
        let total = found.len();
        let after = number("after").unwrap_or_default();
        let id = |record: &String| record[6..].split(',').next().unwrap().parse::<usize>().unwrap();
        let page: Vec<&str> = found
            .into_iter()
            .skip_while(|it| id(it) <= after)
            .take(number("limit").unwrap_or(1000))
            .map(String::as_str)
            .collect();
        Some(format!(r#"{{"total":{total},"records":[{}]}}"#, page.join(",")).into_bytes())
    }
}

/// What is in a query, without its quoting.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let quoted = (*first == b'%').then(|| tail.get(..2)).flatten();
        let quoted = quoted.and_then(|it| std::str::from_utf8(it).ok());
        match quoted.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => bytes.push(if *first == b'+' { b' ' } else { *first }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An attestation with the members and the size of one of rebuilderd's.
fn link(key: &SigningKey, built: &Built) -> Vec<u8> {
    let Built { name, version, architecture, sha256 } = built;
    let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    let file = format!("{name}_{version}_{architecture}.deb");
    signed(
        key,
        &format!(
            r#"{{"_type":"link","byproducts":{{}},"command":[],"environment":null,"materials":{{"{name}_{version}.buildinfo":{{"sha256":"{sha256}","sha512":"{sha256}{sha256}"}}}},"name":"rebuild {file}","products":{{"{file}":{{"sha256":"{sha256}","sha512":"{sha256}{sha256}"}}}}}}"#
        ),
    )
}

/// A link of the step `rebuild`, as a layout of in-toto knows it. What it is compared with there has
/// no hash but SHA-256.
fn step(key: &SigningKey, built: &Built) -> Vec<u8> {
    let Built { name, version, architecture, sha256 } = built;
    signed(
        key,
        &format!(
            r#"{{"_type":"link","byproducts":{{}},"command":[],"environment":{{}},"materials":{{}},"name":"rebuild","products":{{"{name}_{version}_{architecture}.deb":{{"sha256":"{sha256}"}}}}}}"#
        ),
    )
}

/// A link, which is in its canonical form, with a signature of it.
fn signed(key: &SigningKey, signed: &str) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let signature = hex(&key.sign(signed.as_bytes()).to_bytes());
    // As in-toto makes it: of the canonical form of the key.
    let id = hex(&sha2::Sha256::digest(format!(
        r#"{{"keyid_hash_algorithms":["sha256","sha512"],"keytype":"ed25519","keyval":{{"public":"{}"}},"scheme":"ed25519"}}"#,
        hex(key.verifying_key().as_bytes())
    )));
    format!(r#"{{"signatures":[{{"keyid":"{id}","sig":"{signature}"}}],"signed":{signed}}}"#)
        .into_bytes()
}

struct Server {
    known: Known,
    counts: Arc<Counts>,
    delay: Duration,
    cached: bool,
    barrier: Option<Arc<Barrier>>,
    tls: Option<TlsAcceptor>,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.counts.connections.fetch_add(1, Ordering::SeqCst);
            let _ = stream.set_nodelay(true);
            let server = Arc::clone(&self);
            tokio::spawn(async move { server.serve(stream).await });
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let Some(tls) = &self.tls else { return self.serve_http1(stream).await };
        let Ok(stream) = tls.accept(stream).await else { return };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(stream).await,
            _ => self.serve_http1(stream).await,
        }
    }

    /// The answer to a request, when it is time for it.
    async fn answer(&self, target: &str) -> Option<Vec<u8>> {
        let round = self.barrier.as_ref().map(|it| it.round.subscribe());
        self.counts.begin();
        let answer = self.known.answer(target);
        match round {
            Some(mut round) => drop(round.changed().await),
            None => {
                if !self.delay.is_zero() {
                    tokio::time::sleep(self.delay).await;
                }
                self.counts.waiting.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let length = answer.as_ref().map_or(0, |it| it.len() as u64);
        self.counts.sent.fetch_add(length, Ordering::SeqCst);
        answer
    }

    async fn serve_http1(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut buffer: Vec<u8> = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                    break at + 4;
                }
                match stream.read_buf(&mut buffer).await {
                    Ok(got) if got > 0 => {}
                    _ => return,
                }
            };
            let head: Vec<u8> = buffer.drain(..end).collect();
            let head = String::from_utf8_lossy(&head);
            let target = head.split(' ').nth(1).unwrap_or_default();
            let answer = self.answer(target).await;
            let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
            let body = answer.unwrap_or_default();
            let age = if self.cached { "Age: 60\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{age}Content-Length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err()
                || stream.flush().await.is_err()
            {
                return;
            }
        }
    }

    async fn serve_http2(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        // As many streams as nginx allows.
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(128);
        let Ok(mut connection) = builder.handshake::<_, bytes::Bytes>(stream).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let server = Arc::clone(self);
            tokio::spawn(async move {
                let target = request.uri().path_and_query().map(ToString::to_string);
                let answer = server.answer(&target.unwrap_or_default()).await;
                let status = if answer.is_some() { 200 } else { 404 };
                let mut head = http::Response::builder().status(status);
                if server.cached {
                    head = head.header(http::header::AGE, "60");
                }
                let head = head.body(()).unwrap();
                if let Ok(mut stream) = respond.send_response(head, false) {
                    let _ = stream.send_data(answer.unwrap_or_default().into(), true);
                }
            });
        }
    }
}
