//! The routes to hosts. They are found before the network is touched, by a process that may read
//! apt's settings and logins, and handed to the process that asks. A host without a known route is
//! not asked.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::route::proxy::{ProxySource, Route};
use crate::types::RebuilderName;

/// The port of servers for names, which are asked over TCP if an answer is long (RFC 7766).
const DNS: u16 = 53;

/// The routes to all hosts that may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// By rebuilder, scheme and host
    ways: BTreeMap<String, Route>,
    /// Files with certificates of authorities by host, of those that have one
    authorities: BTreeMap<String, String>,
}

impl Routes {
    /// Sets the route by which `rebuilder` is asked for `url`, and for all else with its scheme and
    /// host.
    pub fn set(&mut self, rebuilder: &RebuilderName, url: &Url, route: Route) {
        self.ways.insert(key(rebuilder, url), route);
    }

    /// Lets servers named by the host of `url` also use the authorities in this file.
    pub fn set_authorities(&mut self, url: &Url, file: &str) {
        self.authorities.insert(host(url), file.to_owned());
    }

    /// Returns the route by which `rebuilder` is asked for `url`.
    #[must_use]
    pub fn of(&self, rebuilder: &RebuilderName, url: &Url) -> Route {
        let unknown = || Route::Closed(format!("no route to {} is known", host(url)));
        self.ways.get(&key(rebuilder, url)).cloned().unwrap_or_else(unknown)
    }

    /// Returns true when `rebuilder` is asked for `url` through a proxy.
    #[must_use]
    pub fn is_proxied(&self, rebuilder: &RebuilderName, url: &Url) -> bool {
        matches!(self.ways.get(&key(rebuilder, url)), Some(Route::Through(_)))
    }

    /// Returns the TCP ports to which the asking process must be able to connect; nothing if that
    /// can be any. Limited only by a proxy for evidence alone: its own port, and that of DNS if its
    /// name must be looked up.
    #[must_use]
    pub fn ports(&self) -> Option<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for route in self.ways.values() {
            match route {
                Route::Through(proxy) if proxy.named_by() == ProxySource::Policy => {
                    ports.extend([proxy.port(false), proxy.port(true)]);
                    ports.extend(proxy.address().is_none().then_some(DNS));
                }
                Route::Closed(_) => {}
                Route::Through(_) | Route::Direct => return None,
            }
        }
        (!ports.is_empty()).then_some(ports)
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

fn key(rebuilder: &RebuilderName, url: &Url) -> String {
    format!("{rebuilder} {}://{}", url.scheme(), host(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::proxy::Proxy;

    #[test]
    fn what_is_not_known_is_not_asked() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (alice, bob): (RebuilderName, _) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let mut routes = Routes::default();
        routes.set(&alice, &url("https://a.example/x"), Route::Direct);
        assert_eq!(routes.of(&alice, &url("https://a.example:8443/y")), Route::Direct);
        for other in ["http://a.example/", "https://b.example/", "https://a.example.b/"] {
            assert!(matches!(routes.of(&alice, &url(other)), Route::Closed(_)), "{other}");
        }
        let of_another = routes.of(&bob, &url("https://a.example/x"));
        assert!(matches!(of_another, Route::Closed(_)), "{of_another:?}");
    }

    #[test]
    fn only_a_proxy_for_evidence_limits_the_ports() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let alice: RebuilderName = "alice".parse().unwrap();
        let through = |text: &str| Route::Through(Proxy::of_policy(text).unwrap());
        let mut routes = Routes::default();
        assert_eq!(routes.ports(), None);
        routes.set(&alice, &url("http://a.example/"), through("socks5h://127.0.0.1:9050"));
        routes.set(&alice, &url("http://b.example/"), Route::Closed(String::new()));
        assert_eq!(routes.ports(), Some([9050].into()));
        routes.set(&alice, &url("http://c.example/"), through("http://proxy.example:3128"));
        assert_eq!(routes.ports(), Some([53, 3128, 9050].into()));
        routes.set(&alice, &url("http://d.example/"), Route::Direct);
        assert_eq!(routes.ports(), None);
    }
}
