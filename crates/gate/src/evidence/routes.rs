//! The routes to hosts. They are found before the network is touched, by a process that may read
//! apt's settings and logins, and handed to the process that asks. A host without a known route is
//! not asked.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::apt::proxy::Route;

/// The routes to all hosts that may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// By scheme and host
    ways: BTreeMap<String, Route>,
    /// Files with certificates of authorities by host, of those that have one
    authorities: BTreeMap<String, String>,
}

impl Routes {
    /// Sets the route for `url`, and for all else with its scheme and host.
    pub fn set(&mut self, url: &Url, route: Route) {
        self.ways.insert(key(url), route);
    }

    /// Lets servers named by the host of `url` also use the authorities in this file.
    pub fn set_authorities(&mut self, url: &Url, file: &str) {
        self.authorities.insert(host(url), file.to_owned());
    }

    /// Returns the route for `url`.
    #[must_use]
    pub fn of(&self, url: &Url) -> Route {
        let unknown = || Route::Closed(format!("no route to {} is known", host(url)));
        self.ways.get(&key(url)).cloned().unwrap_or_else(unknown)
    }

    /// Returns true when `url` is asked for through a proxy.
    #[must_use]
    pub fn is_proxied(&self, url: &Url) -> bool {
        matches!(self.ways.get(&key(url)), Some(Route::Through(_)))
    }

    /// The file with authorities for the host of `url`.
    #[must_use]
    pub(super) fn authorities_of(&self, url: &Url) -> Option<&str> {
        self.authorities.get(&host(url)).map(String::as_str)
    }

    /// All files with authorities.
    pub fn authorities(&self) -> impl Iterator<Item = &str> {
        self.authorities.values().map(String::as_str)
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), host(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_asked() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let mut routes = Routes::default();
        routes.set(&url("https://a.example/x"), Route::Direct);
        assert_eq!(routes.of(&url("https://a.example:8443/y")), Route::Direct);
        for other in ["http://a.example/", "https://b.example/", "https://a.example.b/"] {
            assert!(matches!(routes.of(&url(other)), Route::Closed(_)), "{other}");
        }
    }
}
