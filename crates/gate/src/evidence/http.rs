//! The one door to the network.
//!
//! Every answer is bounded in size and time, redirects remain on the host that the administrator
//! named, nothing is decompressed, and no cookie is kept. Each host is asked by the route found for
//! it ([`super::routes`]); a login is for its proxy and reaches no server. Rebuilders with different
//! routes share neither a connection nor a session of TLS, even at the same host.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{
    AGE, CACHE_STATUS, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url, Version, redirect};
use rustls::client::Resumption;
use tokio::time::Instant;

use super::line::{CONNECTIONS, Large, Line, Lines, SMALL, host_of};
use super::routes::Routes;
use super::tls;
use super::words::{Destination, is_unanswered};
use crate::route::proxy::{Proxy, ProxyKind, Route};
use crate::types::RebuilderName;

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// The number of reused connections that a server, or the proxy before it, may end before each
/// question gets a new connection. Some proxies (tinyproxy) end each connection after its first
/// answer without announcing that. A server that was slow to announce it once is not one of these.
const MAX_BROKEN: u32 = 2;

/// Bytes that a server may have sent over HTTP/2 before they are read: in one answer, so that a
/// page of a listing comes in one go, and in all answers of a connection together.
const WINDOWS: (u32, u32) = (1024 * 1024, 2 * 1024 * 1024);

/// The doors to all rebuilders.
#[derive(Debug, Clone)]
pub struct Doors {
    shared: Rc<Shared>,
    lines: Lines,
}

/// Fetches documents of one rebuilder.
#[derive(Debug, Clone)]
pub struct Door {
    rebuilder: RebuilderName,
    shared: Rc<Shared>,
    answer_timeout: Duration,
    lines: Lines,
}

/// The common state of all questions.
#[derive(Debug)]
struct Shared {
    routes: Routes,
    authorities: Option<String>,
    answer_timeout: Duration,
    /// TLS, by the file with more authorities
    tls: RefCell<BTreeMap<Option<String>, rustls::ClientConfig>>,
    /// By scheme, host and port, and by the route with its login
    hosts: RefCell<BTreeMap<(String, Route), Rc<Host>>>,
}

/// One host, and the route to it.
#[derive(Debug)]
struct Host {
    route: Route,
    tls: rustls::ClientConfig,
    answer_timeout: Duration,
    /// Reuses connections
    kept: OnceCell<Client>,
    /// Makes a new connection for each question
    fresh: OnceCell<Client>,
    /// The number of times that a reused connection ended
    broken: Cell<u32>,
    /// True if it speaks HTTP/2, where all questions share one connection
    shares_connections: Cell<bool>,
}

/// Longest value that is kept of a server's description of a document's state, in bytes.
const MAX_VALIDATOR: usize = 256;

/// The server's identifiers for the state of a document (RFC 9110 section 8.8). They are sent back
/// to it unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validator {
    /// `ETag`
    pub etag: Option<String>,
    /// `Last-Modified`
    pub last_modified: Option<String>,
}

/// The result of asking for a document that may be here already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The document
    New {
        /// Its bytes
        body: Vec<u8>,
        /// The validator for the next request
        validator: Option<Validator>,
    },
    /// It has not changed since the validator.
    Unchanged,
    /// There is no such document.
    Missing,
}

/// The reason for which a document could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// Nothing came in time through a proxy.
    #[error("no answer within {} s through the proxy {proxy}", limit.as_secs())]
    TimeoutBehind {
        /// The time limit
        limit: Duration,
        /// The proxy, without its login
        proxy: String,
    },
    /// No server was asked.
    #[error("not asked: {0}")]
    Closed(String),
    /// A proxy, or the server behind it, gave no usable answer.
    #[error("{0}")]
    Proxy(String),
    /// The server reports an error of its own.
    #[error("the server gave no usable answer (HTTP {0})")]
    Server(u16),
    /// The server is overloaded and asks for a pause.
    #[error("the server is busy and asks for a pause of {} s (HTTP {status})", rest.as_secs())]
    Busy {
        /// 429 or 503
        status: u16,
        /// `Retry-After`
        rest: Duration,
    },
    /// The answer has more bytes than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl DoorError {
    /// Returns true when the host as a whole seems out of reach, so that other questions to it do
    /// not help for now.
    #[must_use]
    pub const fn is_transport(&self) -> bool {
        matches!(
            self,
            Self::Transport(_) | Self::Closed(_) | Self::Timeout(_) | Self::TimeoutBehind { .. }
        )
    }
}

impl Doors {
    /// Prepares the doors. Nothing is connected yet. `authorities` are certificates in PEM that
    /// servers may use in addition to the system's and apt's.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        routes: &Routes,
        authorities: Option<&str>,
        answer_timeout: Duration,
    ) -> Result<Self, DoorError> {
        let shared = Shared {
            routes: routes.clone(),
            authorities: authorities.map(ToOwned::to_owned),
            answer_timeout,
            tls: RefCell::default(),
            hosts: RefCell::default(),
        };
        // The usual one: errors in it are reported now.
        shared.tls(None)?;
        Ok(Self { shared: Rc::new(shared), lines: Lines::default() })
    }

    /// The limits of simultaneous questions for each host.
    pub(super) const fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Returns the door to this rebuilder.
    #[must_use]
    pub fn of(&self, rebuilder: &RebuilderName) -> Door {
        Door {
            rebuilder: rebuilder.clone(),
            shared: Rc::clone(&self.shared),
            answer_timeout: self.shared.answer_timeout,
            lines: self.lines.clone(),
        }
    }
}

impl Door {
    /// Fetches `url`, of at most `limit` bytes. Returns `None` if the server says that there is no
    /// such document.
    ///
    /// This function limits the time to the first byte; the caller limits the total time.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub async fn get(&self, url: Url, limit: usize) -> Result<Option<Vec<u8>>, DoorError> {
        self.get_beside(url, limit, &mut None).await
    }

    /// Fetches as [`Self::get`] does, for a question that keeps its earlier answers, and with them
    /// the right to large ones.
    pub(super) async fn get_beside(
        &self,
        url: Url,
        limit: usize,
        large: &mut Large,
    ) -> Result<Option<Vec<u8>>, DoorError> {
        match self.fetch(url, limit, None, large).await? {
            Fetched::New { body, .. } => Ok(Some(body)),
            Fetched::Unchanged | Fetched::Missing => Ok(None),
        }
    }

    /// Fetches as [`Self::get`] does, unless the document is still in the state that `known`
    /// describes.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub async fn get_if_changed(
        &self,
        url: Url,
        limit: usize,
        known: Option<&Validator>,
    ) -> Result<Fetched, DoorError> {
        self.fetch(url, limit, known, &mut None).await
    }

    async fn fetch(
        &self,
        url: Url,
        limit: usize,
        known: Option<&Validator>,
        large: &mut Large,
    ) -> Result<Fetched, DoorError> {
        let line = self.lines.of(&url);
        let (mut answer, host, url) = self.ask(url, known, &line).await?;
        line.answered(answer.version(), is_of_a_cache(answer.headers()));
        let asked = host.asked(&url);
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Fetched::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::Missing),
            busy @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                // A date is not read (RFC 9110 section 10.2.3): no decision here depends on a
                // server's clock.
                let after = answer.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
                let after = after.and_then(|it| it.parse().ok()).map(Duration::from_secs);
                let status = busy.as_u16();
                return Err(after
                    .map_or_else(|| bad(asked, status), |rest| DoorError::Busy { status, rest }));
            }
            other => return Err(bad(asked, other.as_u16())),
        }
        let header = |name: HeaderName| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            is_plain(value).then(|| value.to_owned())
        };
        let validator = Validator { etag: header(ETAG), last_modified: header(LAST_MODIFIED) };
        let validator = (validator != Validator::default()).then_some(validator);
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(DoorError::TooLarge(limit));
        }
        let mut body = Vec::with_capacity(announced.unwrap_or_default().min(SMALL));
        while let Some(chunk) = answer.chunk().await.map_err(|error| host.failed(&url, error))? {
            if body.len() + chunk.len() > limit {
                return Err(DoorError::TooLarge(limit));
            }
            if body.len() + chunk.len() > SMALL {
                line.allow(large).await;
            }
            body.extend_from_slice(&chunk);
        }
        // The next question should use this connection, and not a new one; another task puts the
        // connection back.
        tokio::task::yield_now().await;
        Ok(Fetched::New { body, validator })
    }

    /// Asks for `url`, and follows redirects on the same host. Returns the final response with its
    /// host and its URL.
    async fn ask(
        &self,
        mut url: Url,
        known: Option<&Validator>,
        line: &Line,
    ) -> Result<(Response, Rc<Host>, Url), DoorError> {
        for _ in 0..=MAX_REDIRECTS {
            let host = self.shared.host(&self.rebuilder, &url)?;
            let answer = self.ask_once(&host, &url, known, line).await?;
            match answer.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => {}
                _ => return Ok((answer, host, url)),
            }
            let Some(next) = next_place(&url, answer.headers()) else {
                return Ok((answer, host, url));
            };
            let same = next.host() == url.host()
                && (next.scheme() == url.scheme() || next.scheme() == "https");
            if !same {
                return Err(DoorError::Transport("redirected to another host".to_owned()));
            }
            url = next;
        }
        Err(DoorError::Transport("too many redirects".to_owned()))
    }

    /// Puts one question. A connection that was used before may have ended meanwhile, independent
    /// of the question. Then the question is put once more, on a new connection.
    async fn ask_once(
        &self,
        host: &Host,
        url: &Url,
        known: Option<&Validator>,
        line: &Line,
    ) -> Result<Response, DoorError> {
        if !host.keeps_connections() {
            return self.send(host.fresh()?, host, url, known, line).await.once();
        }
        let sent = self.send(host.kept()?, host, url, known, line).await;
        if !matches!(sent, Sent::Unanswered(_)) || !line.has_answered() {
            return sent.once();
        }
        let client = if host.shares_connections.get() {
            // The ended connection is no longer used, and all questions share the next.
            host.kept()?
        } else {
            host.broken.set(host.broken.get().saturating_add(1));
            host.fresh()?
        };
        self.send(client, host, url, known, line).await.once()
    }

    async fn send(
        &self,
        client: &Client,
        host: &Host,
        url: &Url,
        known: Option<&Validator>,
        line: &Line,
    ) -> Sent {
        let mut request = client.get(url.clone());
        let etag = known.and_then(|it| it.etag.as_ref());
        let date = known.and_then(|it| it.last_modified.as_ref());
        for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, date)] {
            if let Some(value) = value.filter(|value| is_plain(value)) {
                request = request.header(name, value);
            }
        }
        let begun = Instant::now();
        let mut sent = std::pin::pin!(request.send());
        loop {
            let until = line.waits_until(begun, self.answer_timeout);
            match tokio::time::timeout_at(until, &mut sent).await {
                Ok(Ok(answer)) => {
                    host.shares_connections.set(answer.version() == Version::HTTP_2);
                    return Sent::Answered(answer);
                }
                Ok(Err(error)) if !error.is_connect() && is_unanswered(&error) => {
                    return Sent::Unanswered(host.failed(url, error));
                }
                Ok(Err(error)) => return Sent::Failed(host.failed(url, error)),
                Err(_) if line.waits_until(begun, self.answer_timeout) > until => {}
                Err(_) => return Sent::Failed(host.late()),
            }
        }
    }
}

/// The result of putting a question once.
enum Sent {
    Answered(Response),
    /// The connection ended before the answer.
    Unanswered(DoorError),
    Failed(DoorError),
}

impl Sent {
    /// Converts it to a final result, for a question that is not put again.
    fn once(self) -> Result<Response, DoorError> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Unanswered(error) | Self::Failed(error) => Err(error),
        }
    }
}

fn bad(asked: Destination<'_>, status: u16) -> DoorError {
    asked.status(status).map_or(DoorError::Server(status), DoorError::Proxy)
}

/// Returns the target of a redirect.
fn next_place(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let mut next = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    // Only the administrator decides with which login to ask.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    Some(next)
}

impl Shared {
    fn tls(&self, file: Option<&str>) -> Result<rustls::ClientConfig, DoorError> {
        let file = file.map(ToOwned::to_owned);
        if let Some(known) = self.tls.borrow().get(&file) {
            return Ok(known.clone());
        }
        let made = tls::configuration(file.as_deref(), self.authorities.as_deref())
            .map_err(DoorError::Transport)?;
        self.tls.borrow_mut().insert(file, made.clone());
        Ok(made)
    }

    fn host(&self, rebuilder: &RebuilderName, url: &Url) -> Result<Rc<Host>, DoorError> {
        let route = self.routes.of(rebuilder, url);
        if let Route::Closed(why) = &route {
            return Err(DoorError::Closed(why.clone()));
        }
        let name = (host_of(url), route);
        if let Some(known) = self.hosts.borrow().get(&name) {
            return Ok(Rc::clone(known));
        }
        let mut tls = self.tls(self.routes.authorities_of(url))?;
        // A server would know a resumed session again.
        tls.resumption = Resumption::in_memory_sessions(1);
        let host = Rc::new(Host {
            route: name.1.clone(),
            tls,
            answer_timeout: self.answer_timeout,
            kept: OnceCell::new(),
            fresh: OnceCell::new(),
            broken: Cell::new(0),
            shares_connections: Cell::new(false),
        });
        self.hosts.borrow_mut().insert(name, Rc::clone(&host));
        Ok(host)
    }
}

impl Host {
    fn keeps_connections(&self) -> bool {
        self.broken.get() < MAX_BROKEN
    }

    fn kept(&self) -> Result<&Client, DoorError> {
        self.made(&self.kept, CONNECTIONS)
    }

    fn fresh(&self) -> Result<&Client, DoorError> {
        self.made(&self.fresh, 0)
    }

    fn made<'a>(&self, cell: &'a OnceCell<Client>, idle: usize) -> Result<&'a Client, DoorError> {
        if let Some(made) = cell.get() {
            return Ok(made);
        }
        let broken = || DoorError::Transport("the client for HTTP cannot be set up".to_owned());
        let made = self.client(idle).ok_or_else(broken)?;
        Ok(cell.get_or_init(|| made))
    }

    /// Makes a client. `idle` is the number of connections that wait for the next question. There is
    /// no client without the proxy of the route.
    fn client(&self, idle: usize) -> Option<Client> {
        let client = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("apt-quorum/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.answer_timeout)
            .pool_max_idle_per_host(idle)
            .http2_initial_stream_window_size(WINDOWS.0)
            .http2_initial_connection_window_size(WINDOWS.1);
        match &self.route {
            Route::Through(proxy) => client.proxy(through(proxy)?),
            Route::Direct => client,
            Route::Closed(_) => return None,
        }
        .build()
        .ok()
    }

    fn asked<'a>(&'a self, url: &'a Url) -> Destination<'a> {
        Destination {
            host: url.host_str().unwrap_or_default(),
            port: url.port_or_known_default().unwrap_or_default(),
            scheme: url.scheme(),
            route: &self.route,
        }
    }

    fn late(&self) -> DoorError {
        let limit = self.answer_timeout;
        match &self.route {
            Route::Through(proxy) => DoorError::TimeoutBehind { limit, proxy: proxy.to_string() },
            Route::Direct | Route::Closed(_) => DoorError::Timeout(limit),
        }
    }

    fn failed(&self, url: &Url, error: reqwest::Error) -> DoorError {
        // Of the connection, which has the same time limit as an answer.
        if error.is_timeout() {
            return self.late();
        }
        let words = self.asked(url).words(&error, error.is_connect());
        DoorError::Transport(crate::types::printable(&words).to_string())
    }
}

/// Makes a client's proxy for use with TLS and without. It serves one host only. Returns nothing if
/// its address is none: the client would then connect without it.
fn through(proxy: &Proxy) -> Option<reqwest::Proxy> {
    let (kind, host) = (proxy.kind(), proxy.host());
    let place =
        |tls: bool, login: &str| format!("{}://{login}{host}:{}", kind.scheme(), proxy.port(tls));
    let (plain, tls) = match (proxy.login(), kind) {
        (Some(login), ProxyKind::Socks) => {
            let login = format!("{}:{}@", escaped(&login.user), escaped(&login.password));
            (place(false, &login), place(true, &login))
        }
        _ => (place(false, ""), place(true, "")),
    };
    let (plain, tls) = (plain.parse::<Url>().ok()?, tls.parse::<Url>().ok()?);
    let by_scheme = move |url: &Url| match url.scheme() {
        "https" => Some(tls.clone()),
        _ => Some(plain.clone()),
    };
    let custom = reqwest::Proxy::custom(by_scheme);
    Some(match proxy.login().filter(|_| kind != ProxyKind::Socks) {
        Some(login) => {
            let text = BASE64.encode(format!("{}:{}", login.user, login.password));
            match HeaderValue::from_str(&format!("Basic {text}")) {
                Ok(mut header) => {
                    header.set_sensitive(true);
                    custom.custom_http_auth(header)
                }
                Err(_) => custom,
            }
        }
        None => custom,
    })
}

/// Escapes every byte for use in a URL.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Returns true when a cache answered without asking the server. Its answer is at least a second
/// old (`Age`, RFC 9111 section 5.1; some send 0 with an answer that they have just asked for), or
/// it reports a hit (`Cache-Status`, RFC 9211 section 2.1).
fn is_of_a_cache(headers: &HeaderMap) -> bool {
    let values = |name| headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
    let mut ages = values(AGE).filter_map(|it| it.trim().parse::<u64>().ok());
    let mut words = values(CACHE_STATUS).flat_map(|it| it.split([',', ';']));
    ages.any(|age| age > 0) || words.any(|it| it.trim() == "hit")
}

/// Returns true when a validator of a server can be sent back to it.
fn is_plain(value: &str) -> bool {
    value.len() <= MAX_VALIDATOR && value.chars().all(|c| matches!(c, ' '..='~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_says_that_the_answer_is_its_own() {
        for (name, value, own) in [
            (AGE, "1", true),
            (AGE, "86400", true),
            (AGE, "0", false),
            (AGE, "-1", false),
            (AGE, "soon", false),
            (CACHE_STATUS, "origin.example; fwd=miss; stored, edge.example; hit; ttl=9", true),
            (CACHE_STATUS, "edge.example;hit", true),
            (CACHE_STATUS, "edge.example; fwd=miss", false),
            (CACHE_STATUS, "hit.example; fwd=stale; hits=3", false),
            (LAST_MODIFIED, "1", false),
        ] {
            let headers = HeaderMap::from_iter([(name.clone(), value.parse().unwrap())]);
            assert_eq!(is_of_a_cache(&headers), own, "{name}: {value}");
        }
        assert!(!is_of_a_cache(&HeaderMap::new()));
    }
}
