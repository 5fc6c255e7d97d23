//! The proxy that apt's own method has to be told for a source with the prefix.
//!
//! apt runs the command of `Acquire::https::Proxy-Auto-Detect` for `https` sources, and adds the
//! proxy that it prints to each request. apt does not do that for `quorum+https`, so this module
//! does.

use std::time::Duration;

use reqwest::Url;

use super::wrapped::Scheme;
use crate::apt::message::Message;
use crate::fetching::Finder;

/// The field of a request that names the proxy.
const FIELD: &str = "Proxy";

/// A proxy that refuses every connection (port 9, discard, on this machine). It serves for hosts
/// whose proxy is unknown, because they must not be asked without it.
const UNUSABLE: &str = "http://127.0.0.1:9/";

/// The proxy of the first host that apt asks for. A method has no other host, unless
/// `Acquire::Queue-Mode` says otherwise. The command cannot be run later, because this process is
/// then confined.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    /// The host
    host: Option<String>,
    found: Option<String>,
    trouble: Option<String>,
}

impl Proxies {
    /// Finds the proxy for the request `first`.
    pub(super) fn find(
        scheme: &Scheme,
        finder: &Finder,
        first: &Message,
        patience: Duration,
    ) -> Self {
        let uri = first.text_field("URI").unwrap_or_default();
        let plain = scheme.without_prefix(uri).and_then(|uri| uri.parse::<Url>().ok());
        let Some(url) = plain.filter(|_| first.field(FIELD).is_none()) else {
            return Self::default();
        };
        let host = url.host_str().map(ToOwned::to_owned);
        match finder.of_source(&url, patience) {
            Ok(None) => Self::default(),
            Ok(found) => Self { host, found, trouble: None },
            Err(why) => {
                let found = Some(UNUSABLE.to_owned());
                Self { host, found, trouble: Some(why) }
            }
        }
    }

    /// The error of the command, for people.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Adds the proxy to a message from apt, if it is a request without one.
    pub(super) fn tell(&self, message: Message) -> Message {
        let Some(found) = &self.found else { return message };
        if message.code() != 600 || message.field(FIELD).is_some() {
            return message;
        }
        let host = message.text_field("URI").and_then(|uri| uri.parse::<Url>().ok());
        let host = host.and_then(|url| url.host_str().map(ToOwned::to_owned));
        let is_known =
            matches!((&host, &self.host), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b));
        let proxy = if is_known { found.as_str() } else { UNUSABLE };
        message.with(FIELD, proxy)
    }
}
