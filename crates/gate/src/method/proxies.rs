//! The proxy that apt's own method has to be told for a source with the prefix.
//!
//! apt asks the command of `Acquire::https::Proxy-Auto-Detect` for `https` sources, and hands what it
//! says over with each request. For `quorum+https` it does not, so that is done here.

use std::time::Duration;

use reqwest::Url;

use super::wrapped::Scheme;
use crate::apt::message::Message;
use crate::gate::Finder;

/// Where the answer stands in a request.
const FIELD: &str = "Proxy";

/// A proxy that refuses every connection (port 9, discard, on this machine), for hosts that must not
/// be asked past the one that nobody knows.
const UNUSABLE: &str = "http://127.0.0.1:9/";

/// What is known: about the host that apt asks for first, which is the only one of a method, unless
/// `Acquire::Queue-Mode` says otherwise. The command cannot be run later, when this process is
/// closed in.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    /// The host
    host: Option<String>,
    found: Option<String>,
    trouble: Option<String>,
}

impl Proxies {
    /// Finds out what `first` needs.
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

    /// What went wrong; for people.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// A message of apt's, with the proxy if it is a request that has none.
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
