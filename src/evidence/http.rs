//! The one door to the network.
//!
//! Every answer is bounded in size and time, redirects stay on the host that the administrator
//! named, nothing is decompressed, and no cookie or credential is kept. Proxies are those of
//! apt's own configuration.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    AGE, CACHE_STATUS, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::time::Instant;

use super::line::{CONNECTIONS, Large, Lines, SMALL};
use crate::apt::configuration::Configuration;

/// Where systems keep their bundle of certificate authorities. The first that is there is taken:
/// Debian's (package ca-certificates), which others have too; Fedora's; openSUSE's; Alpine's.
pub const CA_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Largest bundle that is read, in bytes.
const MAX_BUNDLE: u64 = 8 << 20;

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Bytes that a server may have sent over HTTP/2 and nobody has read: in one answer, so that a page of
/// a listing comes in one go, and in all answers of a connection together.
const WINDOWS: (u32, u32) = (1024 * 1024, 2 * 1024 * 1024);

/// Fetches documents.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    answer_timeout: Duration,
    lines: Lines,
}

/// Longest value that is kept of what a server says about a document's state, in bytes.
const MAX_VALIDATOR: usize = 256;

/// By what a server knows the state of a document again (RFC 9110 section 8.8): its words, which
/// are given back to it as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validator {
    /// `ETag`
    pub etag: Option<String>,
    /// `Last-Modified`
    pub last_modified: Option<String>,
}

/// What came of asking for a document that may be here already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The document
    New {
        /// Its bytes
        body: Vec<u8>,
        /// To ask with next time
        validator: Option<Validator>,
    },
    /// It is still what the validator says.
    Unchanged,
    /// There is no such document.
    Missing,
}

/// Why a document could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The server says that it is in trouble.
    #[error("the server gave no usable answer (HTTP {0})")]
    Server(u16),
    /// The server says that it is in trouble, and for how long it wants to be left alone.
    #[error("the server is busy and asks for {} s of rest (HTTP {status})", rest.as_secs())]
    Busy {
        /// 429 or 503
        status: u16,
        /// `Retry-After`
        rest: Duration,
    },
    /// The answer has more bytes than it may.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl DoorError {
    /// Whether the host as a whole seems to be out of reach, so that asking it for something else
    /// is of no use for now.
    #[must_use]
    pub const fn is_transport(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Timeout(_))
    }
}

impl Door {
    /// Prepares the door. Nothing is connected yet. `authorities` are certificates in PEM that
    /// servers may go by besides the system's and apt's.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(
        apt: &Configuration,
        authorities: Option<&str>,
        answer_timeout: Duration,
    ) -> Result<Self, DoorError> {
        let proxies = Proxies::from_apt(apt);
        let client = Client::builder()
            .tls_backend_preconfigured(tls(apt, authorities)?)
            .user_agent(concat!("apt-quorum/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| proxies.of(url)))
            .redirect(redirect::Policy::custom(stay_on_the_host))
            .referer(false)
            .connect_timeout(answer_timeout)
            .pool_max_idle_per_host(CONNECTIONS)
            .http2_initial_stream_window_size(WINDOWS.0)
            .http2_initial_connection_window_size(WINDOWS.1)
            .build()
            .map_err(|error| DoorError::Transport(root_cause(&error)))?;
        Ok(Self { client, answer_timeout, lines: Lines::default() })
    }

    /// What each host may be asked at the same time.
    pub(super) const fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Fetches `url`, of at most `limit` bytes. `None` if the server says that there is no such
    /// document.
    ///
    /// The time to the first byte is bounded here; the caller bounds the whole.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub async fn get(&self, url: Url, limit: usize) -> Result<Option<Vec<u8>>, DoorError> {
        self.get_beside(url, limit, &mut None).await
    }

    /// As [`Self::get`], for a question that keeps what it got before, and with it the right to
    /// have a lot.
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

    /// As [`Self::get`], but not if the document is still the one that `known` is about.
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
        let failed = |error: reqwest::Error| match error.is_timeout() {
            // Of the connection, which may take as long as an answer.
            true => DoorError::Timeout(self.answer_timeout),
            false => DoorError::Transport(root_cause(&error.without_url())),
        };
        let line = self.lines.of(&url);
        let mut request = self.client.get(url);
        let etag = known.and_then(|it| it.etag.as_ref());
        let date = known.and_then(|it| it.last_modified.as_ref());
        for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, date)] {
            if let Some(value) = value.filter(|value| is_plain(value)) {
                request = request.header(name, value);
            }
        }
        let begun = Instant::now();
        let mut sent = std::pin::pin!(request.send());
        let mut answer = loop {
            let until = line.waits_until(begun, self.answer_timeout);
            match tokio::time::timeout_at(until, &mut sent).await {
                Ok(answer) => break answer.map_err(failed)?,
                Err(_) if line.waits_until(begun, self.answer_timeout) > until => {}
                Err(_) => return Err(DoorError::Timeout(self.answer_timeout)),
            }
        };
        line.answered(answer.version(), is_of_a_cache(answer.headers()));
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Fetched::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::Missing),
            busy @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                // A date is not read (RFC 9110 section 10.2.3): nothing here goes by a server's clock.
                let after = answer.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
                let after = after.and_then(|it| it.parse().ok()).map(Duration::from_secs);
                let status = busy.as_u16();
                return Err(after
                    .map_or(DoorError::Server(status), |rest| DoorError::Busy { status, rest }));
            }
            other => return Err(DoorError::Server(other.as_u16())),
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
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(DoorError::TooLarge(limit));
            }
            if body.len() + chunk.len() > SMALL {
                line.allow(large).await;
            }
            body.extend_from_slice(&chunk);
        }
        // What comes next is for this connection, and not for a new one: it is put back by another
        // task.
        tokio::task::yield_now().await;
        Ok(Fetched::New { body, validator })
    }
}

/// Whether a cache gave the answer without asking the server: it has been there for a second at
/// least (`Age`, RFC 9111 section 5.1; some send 0 with what they have just asked for), or says
/// that it was a hit (`Cache-Status`, RFC 9211 section 2.1).
fn is_of_a_cache(headers: &HeaderMap) -> bool {
    let values = |name| headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
    let mut ages = values(AGE).filter_map(|it| it.trim().parse::<u64>().ok());
    let mut words = values(CACHE_STATUS).flat_map(|it| it.split([',', ';']));
    ages.any(|age| age > 0) || words.any(|it| it.trim() == "hit")
}

/// Whether a server's word about a document can be given back to it.
fn is_plain(value: &str) -> bool {
    value.len() <= MAX_VALIDATOR && value.chars().all(|c| matches!(c, ' '..='~'))
}

/// A redirect may lead to another path or from http to https, but not to another host: an
/// endpoint must not be able to make this machine ask others.
fn stay_on_the_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let next = attempt.url();
    let same = attempt.previous().first().is_some_and(|first| {
        next.host() == first.host() && (next.scheme() == first.scheme() || next.scheme() == "https")
    });
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if same {
        attempt.follow()
    } else {
        attempt.error("redirected to another host")
    }
}

/// TLS with the system's certificate authorities, those of `Acquire::https::CAInfo`, and those of
/// the configuration. What comes over it is signed; this protects privacy and availability.
fn tls(apt: &Configuration, authorities: Option<&str>) -> Result<rustls::ClientConfig, DoorError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    // Without any authority, https endpoints fail with a reason of their own.
    let system = CA_BUNDLES.into_iter().find_map(read_bundle);
    let of_apt = apt.find("Acquire::https::CAInfo").and_then(read_bundle);
    let configured = authorities.map(|text| text.as_bytes().to_vec());
    let mut roots = rustls::RootCertStore::empty();
    for bundle in [system, of_apt, configured].into_iter().flatten() {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DoorError::Transport(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_bundle(path: &str) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_BUNDLE).read_to_end(&mut bundle).ok()?;
    Some(bundle)
}

/// Which proxy apt would use for which host.
///
/// As apt's http method does it (methods/http.cc): the setting for the host, then the general
/// one, each first for https and then for http, then the environment. `DIRECT` means none.
#[derive(Debug, Clone)]
struct Proxies {
    apt: Configuration,
    environment: Vec<(&'static str, String)>,
}

impl Proxies {
    fn from_apt(apt: &Configuration) -> Self {
        let variable = |name| std::env::var(name).ok().map(|value| (name, value));
        let environment = ["http_proxy", "https_proxy", "no_proxy"];
        Self {
            apt: apt.clone(),
            environment: environment.into_iter().filter_map(variable).collect(),
        }
    }

    fn of(&self, url: &Url) -> Option<Url> {
        let host = url.host_str()?;
        let methods: &[&str] = if url.scheme() == "https" { &["https", "http"] } else { &["http"] };
        let setting = |suffix: &str| {
            methods.iter().find_map(|method| self.apt.find(&format!("Acquire::{method}::{suffix}")))
        };
        let chosen = setting(&format!("Proxy::{host}")).or_else(|| setting("Proxy"));
        let proxy = chosen.or_else(|| self.in_environment(url.scheme(), host))?;
        if proxy == "DIRECT" || proxy == "false" {
            return None;
        }
        // A proxy that cannot be understood must not be left out silently: names would be
        // resolved and servers contacted that the administrator wanted to hide.
        Some(Url::parse(proxy).unwrap_or_else(|_| unusable_proxy()))
    }

    fn in_environment(&self, scheme: &str, host: &str) -> Option<&str> {
        let variable = |wanted: &str| {
            self.environment
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.as_str())
        };
        let excluded = variable("no_proxy").unwrap_or_default().split(',').any(|name| {
            let name = name.trim().trim_start_matches('.');
            name == "*"
                || (!name.is_empty() && (host == name || host.ends_with(&format!(".{name}"))))
        });
        let proxy = variable(if scheme == "https" { "https_proxy" } else { "http_proxy" });
        proxy.filter(|proxy| !excluded && !proxy.is_empty())
    }
}

/// Whether what is at `url` is asked for through a proxy, by apt's configuration.
#[must_use]
pub fn is_proxied(apt: &Configuration, url: &Url) -> bool {
    Proxies::from_apt(apt).of(url).is_some()
}

/// A proxy that refuses every connection (port 9, discard, on this machine).
fn unusable_proxy() -> Url {
    #[allow(clippy::expect_used, reason = "a constant that a test parses")]
    Url::parse("http://127.0.0.1:9/").expect("a constant URL")
}

/// What an error comes from in the end: what stands around it ("error sending request: client
/// error") tells people nothing.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = match cause.downcast_ref::<std::io::Error>() {
        Some(error) => crate::sys::plain(error),
        None => cause.to_string(),
    };
    crate::types::printable(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(items: &[&str], environment: &[(&'static str, &str)], url: &str) -> Option<String> {
        let mut apt = Configuration::default();
        items.iter().for_each(|item| apt.add(item));
        let environment = environment.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let proxies = Proxies { apt, environment };
        proxies.of(&Url::parse(url).unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn the_proxy_is_the_one_that_apt_would_use() {
        let http = "Acquire::http::Proxy=http://a:1/";
        let https = "Acquire::https::Proxy=http://b:2/";
        let a = Some("http://a:1/".to_owned());
        let b = Some("http://b:2/".to_owned());
        // The Qubes update proxy is set for http only, and https falls back on it.
        assert_eq!(proxy(&[http], &[], "https://x.org/"), a);
        assert_eq!(proxy(&[http, https], &[], "https://x.org/"), b);
        assert_eq!(proxy(&[https], &[], "http://x.org/"), None);
        let direct = "Acquire::http::Proxy::x.org=DIRECT";
        assert_eq!(proxy(&[http, direct], &[], "http://x.org/"), None);
        assert_eq!(proxy(&[http, direct], &[], "http://y.org/"), a);
        assert_eq!(proxy(&[], &[("https_proxy", "http://b:2")], "https://x.org/"), b);
        assert_eq!(proxy(&[http], &[("https_proxy", "http://b:2")], "https://x.org/"), a);
        let excluded = [("http_proxy", "http://b:2"), ("no_proxy", "y.org, .x.org")];
        assert_eq!(proxy(&[], &excluded, "http://a.x.org/"), None);
        assert_eq!(proxy(&[], &excluded, "http://ax.org/"), b);
    }

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

    #[test]
    fn a_proxy_that_cannot_be_understood_is_not_left_out() {
        let bad = "Acquire::http::Proxy=not a url";
        assert_eq!(proxy(&[bad], &[], "http://x.org/"), Some(unusable_proxy().to_string()));
    }
}
