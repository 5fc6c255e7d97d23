//! The one door to the network.
//!
//! Every answer is bounded in size and time, redirects stay on the host that the administrator
//! named, nothing is decompressed, and no cookie or credential is kept. Proxies are those of
//! apt's own configuration.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url, header, redirect};

use crate::apt::configuration::Configuration;

/// Debian's bundle of certificate authorities (package ca-certificates).
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Fetches documents.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    answer_timeout: Duration,
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
    #[error("the server answered {0}")]
    Server(u16),
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
    /// Prepares the door. Nothing is connected yet.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(apt: &Configuration, answer_timeout: Duration) -> Result<Self, DoorError> {
        let proxies = Proxies::from_apt(apt);
        let client = Client::builder()
            .tls_backend_preconfigured(tls(apt)?)
            .user_agent(concat!("apt-quorum/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| proxies.of(url)))
            .redirect(redirect::Policy::custom(stay_on_the_host))
            .referer(false)
            .connect_timeout(answer_timeout)
            .pool_max_idle_per_host(8)
            .build()
            .map_err(|error| DoorError::Transport(root_cause(&error)))?;
        Ok(Self { client, answer_timeout })
    }

    /// Fetches `url`, of at most `limit` bytes. `None` if the server says that there is no such
    /// document.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub async fn get(&self, url: Url, limit: usize) -> Result<Option<Vec<u8>>, DoorError> {
        match self.get_if_changed(url, limit, None).await? {
            Changed::New { body, .. } => Ok(Some(body)),
            Changed::Missing => Ok(None),
            Changed::Unchanged => Err(DoorError::Server(StatusCode::NOT_MODIFIED.as_u16())),
        }
    }

    /// Fetches `url`, of at most `limit` bytes, unless it is as it was when it had the validator
    /// `since`.
    ///
    /// The time to the first byte is bounded here; the caller bounds the whole.
    ///
    /// # Errors
    /// See [`DoorError`].
    pub async fn get_if_changed(
        &self,
        url: Url,
        limit: usize,
        since: Option<&Validator>,
    ) -> Result<Changed, DoorError> {
        let failed = |error: reqwest::Error| match error.is_timeout() {
            // Of the connection, which may take as long as an answer.
            true => DoorError::Timeout(self.answer_timeout),
            false => DoorError::Transport(root_cause(&error.without_url())),
        };
        let mut request = self.client.get(url);
        for (header, value) in since.into_iter().flat_map(Validator::conditions) {
            request = request.header(header, value);
        }
        let answer = tokio::time::timeout(self.answer_timeout, request.send());
        let mut answer =
            answer.await.map_err(|_| DoorError::Timeout(self.answer_timeout))?.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Changed::Missing),
            StatusCode::NOT_MODIFIED if since.is_some() => return Ok(Changed::Unchanged),
            other => return Err(DoorError::Server(other.as_u16())),
        }
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(DoorError::TooLarge(limit));
        }
        let validator = Validator::of(answer.headers());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(DoorError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Changed::New { body, validator })
    }
}

/// What came of asking for a document that may be here already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is new.
    New {
        /// What it is now
        body: Vec<u8>,
        /// What the server calls this state of it
        validator: Validator,
    },
    /// It is as it was.
    Unchanged,
    /// There is no such document.
    Missing,
}

/// What a server calls a state of a document (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validator {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validator {
    /// Longest one that is kept, in bytes.
    const MAX_LENGTH: usize = 256;

    fn of(headers: &header::HeaderMap) -> Self {
        let text = |name| {
            let value: &header::HeaderValue = headers.get(name)?;
            let text = value.to_str().ok().filter(|text| text.len() <= Self::MAX_LENGTH)?;
            Some(text.to_owned())
        };
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
    }

    /// The headers of a request that ask for another state only.
    fn conditions(&self) -> impl Iterator<Item = (header::HeaderName, &str)> {
        let etag = self.etag.as_deref().map(|text| (header::IF_NONE_MATCH, text));
        let date = self.last_modified.as_deref().map(|text| (header::IF_MODIFIED_SINCE, text));
        etag.into_iter().chain(date)
    }
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

/// TLS with Debian's certificate authorities and those of `Acquire::https::CAInfo`. What comes
/// over it is signed; this protects privacy and availability.
fn tls(apt: &Configuration) -> Result<rustls::ClientConfig, DoorError> {
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    for path in [Some(CA_BUNDLE), apt.find("Acquire::https::CAInfo")].into_iter().flatten() {
        let mut bundle = Vec::new();
        // Without any authority, https endpoints fail with a reason of their own.
        let file = std::fs::File::open(path);
        if file.and_then(|file| file.take(8 << 20).read_to_end(&mut bundle)).is_ok() {
            let certificates = rustls::pki_types::CertificateDer::pem_slice_iter(&bundle);
            roots.add_parsable_certificates(certificates.flatten());
        }
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
    fn a_proxy_that_cannot_be_understood_is_not_left_out() {
        let bad = "Acquire::http::Proxy=not a url";
        assert_eq!(proxy(&[bad], &[], "http://x.org/"), Some(unusable_proxy().to_string()));
    }
}
