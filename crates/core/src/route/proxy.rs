//! Which proxy apt asks through (methods/http.cc and apt-pkg/contrib/proxy.cc).
//!
//! apt looks every setting of a method up under several names, the most special one first, and
//! under each of them first for the host: `quorum+https` finds what is said for `quorum+https`,
//! `quorum`, `https` and `http`. Evidence is asked for in the same order, so that it goes the way
//! that packages go.
//!
//! Unless the policy names a proxy for evidence alone ([`Proxy::of_policy`]): then apt's settings do
//! not count, and there is no other route.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::Url;

use super::auth::Logins;
use crate::apt::configuration::{Configuration, dequote};

/// The proxy of sources that go by Tor, where `Acquire::tor::Proxy` names none
/// (methods/basehttp.cc).
const TOR: &str = "socks5h://apt-transport-tor@127.0.0.1:9050";

/// The user that apt logs in as to get a circuit of Tor for each host: the password is the host
/// then.
const TOR_USER: &str = "apt-transport-tor";

/// Longest name or password for a SOCKS proxy, in bytes (RFC 1929 section 2).
const MAX_SOCKS_LOGIN: usize = 255;

/// Longest name of a proxy's host, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 255;

/// The route by which a host is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Route {
    /// By a connection of its own; its name is looked up here.
    Direct,
    /// Through this proxy, which looks the name up.
    Through(Proxy),
    /// No route at all. Contains the reason, for people.
    Closed(String),
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: Option<u16>,
    path: String,
    login: Option<Login>,
    named_by: ProxySource,
}

/// The file that names a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProxySource {
    /// apt's configuration, its environment, or a command that it runs.
    Apt,
    /// `policy.toml`, for evidence alone.
    Policy,
}

/// A text that is no proxy for evidence alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme, or no URL.
    #[error("proxy must begin with socks5h://, http:// or https://")]
    Scheme,
    /// SOCKS 5 with addresses.
    #[error("with socks5:// this machine would look the rebuilders' names up, past the proxy")]
    NamesLookedUpHere {
        /// The correct spelling
        meant: String,
    },
    /// No host, no port, or more than these.
    #[error("proxy needs a host and a port behind the scheme, and nothing more")]
    Address,
    /// A login in the file, which every user can read.
    #[error("proxy must not contain a user name or password: every user can read this file")]
    Login(ProxyKind),
}

impl ProxyError {
    /// The remedy, for people.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NamesLookedUpHere { meant } => format!("write proxy = \"{meant}\""),
            Self::Login(ProxyKind::Socks) => {
                "leave it out: apt-quorum has a login of its own for each rebuilder".to_owned()
            }
            Self::Login(_) => "write it into /etc/apt/auth.conf.d: see apt_auth.conf(5)".to_owned(),
            Self::Scheme | Self::Address => {
                "for Tor on this machine: proxy = \"socks5h://127.0.0.1:9050\"".to_owned()
            }
        }
    }
}

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProxyKind {
    /// HTTP (RFC 9110 section 3.7)
    Http,
    /// The same over TLS
    Https,
    /// SOCKS 5, to which names are handed
    Socks,
}

/// A name and a password, for one proxy only. They are never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Login {
    /// The name
    pub user: String,
    /// The password
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl ProxyKind {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Socks];

    /// As it stands in front of the address.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks => "socks5h",
        }
    }
}

/// Without the login.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.scheme(), self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Proxy {
    /// Reads what a setting says; `None` for what apt does not take for a proxy.
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let kind = ProxyKind::ALL.into_iter().find(|it| it.scheme() == url.scheme())?;
        let user = dequote(url.username());
        let password = dequote(url.password().unwrap_or_default());
        Some(Self {
            kind,
            host: url.host_str().filter(|host| is_host(host))?.to_owned(),
            // What is usual for the scheme is left out by the parser.
            port: url.port().or_else(|| port_in(text)),
            path: Some(url.path()).filter(|path| !path.is_empty()).unwrap_or("/").to_owned(),
            login: (!user.is_empty() || !password.is_empty()).then_some(Login { user, password }),
            named_by: ProxySource::Apt,
        })
    }

    /// Reads the proxy that `policy.toml` names for evidence alone: an address with a port, and
    /// nothing else.
    ///
    /// # Errors
    /// For every other text. With `socks5` in place of `socks5h`, whoever answers this machine's
    /// questions about names would learn which rebuilders it asks.
    pub fn of_policy(text: &str) -> Result<Self, ProxyError> {
        let (scheme, address) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let kind = match ProxyKind::ALL.into_iter().find(|it| it.scheme() == scheme) {
            Some(kind) => kind,
            None if scheme == "socks5" => {
                let meant = Self::of_policy(&format!("socks5h://{address}"))?.to_string();
                return Err(ProxyError::NamesLookedUpHere { meant });
            }
            None => return Err(ProxyError::Scheme),
        };
        if address.contains('@') {
            return Err(ProxyError::Login(kind));
        }
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').ok_or(ProxyError::Address)?;
        let port = port.parse().ok().filter(|port| *port > 0 && is_host(host));
        Ok(Self {
            kind,
            host: host.to_owned(),
            port: Some(port.ok_or(ProxyError::Address)?),
            path: "/".to_owned(),
            login: None,
            named_by: ProxySource::Policy,
        })
    }

    /// The file that names it.
    #[must_use]
    pub const fn named_by(&self) -> ProxySource {
        self.named_by
    }

    /// Returns this proxy with the login that keeps `user` apart from the others, if its protocol
    /// has one for that: SOCKS. Tor uses separate circuits for connections with different logins
    /// (`IsolateSOCKSAuth`, tor(1)). An HTTP proxy gets the login in apt's files.
    #[must_use]
    pub fn keeping_apart(&self, user: &str, password: &str, logins: &Logins) -> Self {
        let login = match self.kind {
            ProxyKind::Socks => {
                Some(Login { user: user.to_owned(), password: password.to_owned() })
            }
            ProxyKind::Http | ProxyKind::Https => logins.find(self),
        };
        Self { login, ..self.clone() }
    }

    /// Its address, if it has one in place of a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The protocol of the proxy.
    #[must_use]
    pub const fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Its host, as it stands in a URL.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, for questions to a host with or without TLS: apt connects to an HTTP proxy
    /// without a port at that of the service that it asks for.
    #[must_use]
    pub fn port(&self, tls: bool) -> u16 {
        let usual = match (self.kind, tls) {
            (ProxyKind::Socks, _) => 1080,
            (ProxyKind::Http, false) => 80,
            (ProxyKind::Http, true) | (ProxyKind::Https, _) => 443,
        };
        self.port.unwrap_or(usual)
    }

    /// The port and the path as they are written, by which logins are found.
    pub(super) fn written(&self) -> (Option<u16>, &str) {
        (self.port, &self.path)
    }

    /// The login to use for it.
    #[must_use]
    pub const fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

/// Returns true for the name or address of a host. The HTTP client leaves a proxy out, in silence,
/// whose address it cannot read.
fn is_host(host: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(is_name),
    }
}

/// The port that stands in `text`, be it the usual one.
fn port_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    let (_, port) = place.rsplit_once(':').filter(|(_, port)| !port.contains(']'))?;
    port.parse().ok()
}

/// The settings for proxies in the environment. apt ignores variables in capital letters and all
/// other variables.
#[derive(Debug, Clone, Default)]
pub struct ProxyVariables {
    /// `http_proxy`, which is for https too
    pub http_proxy: Option<String>,
    /// `https_proxy`
    pub https_proxy: Option<String>,
    /// `no_proxy`
    pub no_proxy: Option<String>,
}

/// The settings that decide how a host is asked.
#[derive(Debug, Clone, Copy)]
pub struct ProxySettings<'a> {
    /// apt's configuration
    pub apt: &'a Configuration,
    /// The environment
    pub variables: &'a ProxyVariables,
    /// Logins for proxies
    pub logins: &'a Logins,
    /// Is true when apt has a source that it gets by Tor
    pub tor: bool,
}

/// The choice that is known before any command is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteChoice {
    /// This is the way.
    Known(Route),
    /// A command says which proxy to use (`Proxy-Auto-Detect`).
    Ask {
        /// The command, whose argument is the URL
        command: String,
        /// The route that applies if the command says nothing
        otherwise: Route,
    },
}

impl ProxySettings<'_> {
    /// Chooses the route for `url`, which is http or https.
    #[must_use]
    pub fn choice(&self, url: &Url) -> RouteChoice {
        let Some(host) = url.host_str() else { return RouteChoice::Known(Route::Direct) };
        if self.is_excluded(host) {
            return RouteChoice::Known(self.direct(url, host));
        }
        let scheme = url.scheme();
        for name in self.names(scheme) {
            if self.specific(&name, host).is_some() {
                break;
            }
            // apt itself knows one name of each source, and looks under no other.
            let is_a_sources_name = name == scheme || name.ends_with(&format!("+{scheme}"));
            if let Some(command) = self.command(&name).filter(|_| is_a_sources_name) {
                let otherwise = self.without_command(url, host);
                return RouteChoice::Ask { command: command.to_owned(), otherwise };
            }
        }
        RouteChoice::Known(self.without_command(url, host))
    }

    /// The route for `url` if the command of [`RouteChoice::Ask`] answered `said`.
    #[must_use]
    pub fn answered(&self, said: &str, command: &str, url: &Url, otherwise: &Route) -> Route {
        let host = url.host_str().unwrap_or_default();
        match said {
            "" => otherwise.clone(),
            // apt takes no such answer for sources by Tor, since it would undo that.
            "DIRECT" if self.goes_by_tor(url) => otherwise.clone(),
            "DIRECT" => self.direct(url, host),
            _ => match Proxy::parse(said).filter(|it| is_fit(it, self.goes_by_tor(url))) {
                Some(proxy) => self.through(proxy, host),
                None => Route::Closed(format!(
                    "the command {command} (Proxy-Auto-Detect) names no proxy that apt can use"
                )),
            },
        }
    }

    /// Returns true when `url` is asked in the same way in which apt asks sources by Tor.
    #[must_use]
    pub fn goes_by_tor(&self, url: &Url) -> bool {
        self.tor || self.is_onion(url.host_str().unwrap_or_default())
    }

    /// The first value of a setting, as a method for URLs of `scheme` finds it.
    #[must_use]
    pub fn find(&self, scheme: &str, host: &str, setting: &str) -> Option<&str> {
        find(self.apt, &self.names(scheme), host, setting)
    }

    /// The names under which settings are looked up, the most special one first (`HttpMethod` in
    /// methods/http.cc).
    fn names(&self, scheme: &str) -> Vec<String> {
        names(if self.tor { "tor" } else { "quorum" }, scheme)
    }

    fn specific(&self, name: &str, host: &str) -> Option<&str> {
        self.apt.find(&format!("Acquire::{name}::Proxy::{host}"))
    }

    fn command(&self, name: &str) -> Option<&str> {
        ["Proxy-Auto-Detect", "ProxyAutoDetect"]
            .iter()
            .find_map(|setting| self.apt.find(&format!("Acquire::{name}::{setting}")))
    }

    fn without_command(&self, url: &Url, host: &str) -> Route {
        let scheme = url.scheme();
        if let Some(text) = self.find(scheme, host, &format!("Proxy::{host}")) {
            return self.route(text, url, host);
        }
        if self.tor {
            return self.by_tor(scheme, host);
        }
        let variables = [
            self.variables.https_proxy.as_deref().filter(|_| scheme == "https"),
            self.variables.http_proxy.as_deref(),
        ];
        let general = self.find(scheme, host, "Proxy");
        match general.or_else(|| variables.into_iter().flatten().next()) {
            None | Some("") => self.direct(url, host),
            Some(text) => self.route(text, url, host),
        }
    }

    /// As a source by Tor: what stands below the names of Tor, and Tor's own proxy. A general
    /// proxy for https is none for Tor.
    fn by_tor(&self, scheme: &str, host: &str) -> Route {
        let names = names("tor", scheme);
        let own: Vec<String> = names.into_iter().filter(|it| it.starts_with("tor")).collect();
        let text = find(self.apt, &own, host, "Proxy").unwrap_or(TOR);
        match Proxy::parse(text) {
            Some(proxy) => self.through(proxy, host),
            None => unusable(host),
        }
    }

    fn route(&self, text: &str, url: &Url, host: &str) -> Route {
        match text {
            "DIRECT" | "false" => self.direct(url, host),
            // A proxy that cannot be understood must not be left out silently: names would be
            // looked up and servers contacted that the administrator wanted to hide.
            _ => Proxy::parse(text).map_or_else(|| unusable(host), |it| self.through(it, host)),
        }
    }

    /// A name that only Tor knows is asked of Tor and of no other server for names
    /// (RFC 7686 section 2); apt does not connect to it either.
    fn direct(&self, url: &Url, host: &str) -> Route {
        if self.is_onion(host) { self.by_tor(url.scheme(), host) } else { Route::Direct }
    }

    fn is_onion(&self, host: &str) -> bool {
        let blocked = self.apt.find("Acquire::BlockDotOnion").is_none_or(|it| it != "false");
        blocked && host.trim_end_matches('.').to_ascii_lowercase().ends_with(".onion")
    }

    fn through(&self, mut proxy: Proxy, host: &str) -> Route {
        if proxy.login.is_none() {
            proxy.login = self.logins.find(&proxy);
        }
        if let Some(login) = &mut proxy.login {
            if login.user == TOR_USER && login.password.is_empty() {
                login.password = host.chars().filter(char::is_ascii_alphanumeric).collect();
                login.password.truncate(MAX_SOCKS_LOGIN);
            }
            let longest = login.user.len().max(login.password.len());
            if proxy.kind == ProxyKind::Socks && longest > MAX_SOCKS_LOGIN {
                return Route::Closed(format!("the login for the proxy {proxy} is too long"));
            }
        }
        Route::Through(proxy)
    }

    /// Returns true when `no_proxy` has the host. The variable is a list of endings with commas
    /// between them; upper and lower case are the same (`CheckDomainList`,
    /// apt-pkg/contrib/strutl.cc).
    fn is_excluded(&self, host: &str) -> bool {
        let list = self.variables.no_proxy.as_deref().unwrap_or_default().to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        list.split(',').any(|ending| !ending.is_empty() && host.ends_with(ending))
    }
}

fn names(prefix: &str, scheme: &str) -> Vec<String> {
    let mut names = vec![format!("{prefix}+{scheme}"), prefix.to_owned(), scheme.to_owned()];
    if scheme != "http" {
        names.push("http".to_owned());
    }
    names
}

fn find<'a>(
    apt: &'a Configuration,
    names: &[String],
    host: &str,
    setting: &str,
) -> Option<&'a str> {
    let of_host = names.iter().map(|name| format!("Acquire::{name}::{host}::{setting}"));
    let general = names.iter().map(|name| format!("Acquire::{name}::{setting}"));
    of_host.chain(general).find_map(|name| apt.find(&name))
}

/// Returns true when apt takes this proxy from a command (`CompatibleProxies`).
fn is_fit(proxy: &Proxy, tor: bool) -> bool {
    !tor || proxy.kind == ProxyKind::Socks
}

fn unusable(host: &str) -> Route {
    Route::Closed(format!(
        "apt cannot use its proxy for {host}: it must begin with http://, https:// or socks5h://, and a host must follow"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way to `url`, as people see it, and the login.
    fn way(items: &[&str], variables: &ProxyVariables, tor: bool, url: &str) -> String {
        let mut apt = Configuration::default();
        items.iter().for_each(|item| apt.add(item));
        let logins = Logins::default();
        let settings = ProxySettings { apt: &apt, variables, logins: &logins, tor };
        match settings.choice(&url.parse().unwrap()) {
            RouteChoice::Ask { command, otherwise } => format!("{command} {}", shown(&otherwise)),
            RouteChoice::Known(route) => shown(&route),
        }
    }

    fn shown(route: &Route) -> String {
        match route {
            Route::Direct => "direct".to_owned(),
            Route::Closed(_) => "closed".to_owned(),
            Route::Through(proxy) => match proxy.login() {
                Some(login) => format!("{proxy} {}:{}", login.user, login.password),
                None => proxy.to_string(),
            },
        }
    }

    fn plain(items: &[&str], url: &str) -> String {
        way(items, &ProxyVariables::default(), false, url)
    }

    const HTTP: &str = "Acquire::http::Proxy=http://a:1/";
    const HTTPS: &str = "Acquire::https::Proxy=http://b:2/";

    #[test]
    fn the_proxy_is_the_one_that_apt_would_use() {
        for (items, url, expected) in [
            (&[][..], "https://x.org/", "direct"),
            // The Qubes update proxy is set for http only, and https falls back on it.
            (&[HTTP], "https://x.org/", "http://a:1"),
            (&[HTTP, HTTPS], "https://x.org/", "http://b:2"),
            (&[HTTPS], "http://x.org/", "direct"),
            (&[HTTP, "Acquire::http::Proxy::x.org=DIRECT"], "http://x.org/", "direct"),
            (&[HTTP, "Acquire::http::Proxy::x.org=DIRECT"], "http://y.org/", "http://a:1"),
            (&[HTTPS, "Acquire::http::Proxy::x.org=DIRECT"], "https://x.org/", "direct"),
            (&[HTTP, "Acquire::https::Proxy=DIRECT"], "https://x.org/", "direct"),
            (&[HTTP, "Acquire::https::Proxy=false"], "https://x.org/", "direct"),
            // The other place for what is about one host.
            (&[HTTPS, "Acquire::https::x.org::Proxy=http://c:3"], "https://x.org/", "http://c:3"),
            // Names that only sources with the prefix have.
            (&[HTTPS, "Acquire::quorum::Proxy=http://c:3"], "https://x.org/", "http://c:3"),
            (&[HTTPS, "Acquire::quorum+https::Proxy=http://c:3"], "https://x.org/", "http://c:3"),
            (&[HTTPS, "Acquire::quorum+http::Proxy=http://c:3"], "https://x.org/", "http://b:2"),
            (&["Acquire::http::Proxy=https://a/"], "http://x.org/", "https://a"),
            (&["Acquire::http::Proxy=socks5h://u:p%3a%25@a"], "http://x/", "socks5h://a u:p:%"),
            (&["Acquire::http::Proxy=http://[::1]:3128"], "http://x/", "http://[::1]:3128"),
            // Names would be looked up here, or the proxy left out.
            (&["Acquire::http::Proxy=socks5://a:1"], "http://x/", "closed"),
            (&["Acquire::http::Proxy=socks4a://a:1"], "http://x/", "closed"),
            (&["Acquire::http::Proxy=not a url"], "http://x/", "closed"),
            (&["Acquire::http::Proxy=proxy.example:3128"], "http://x/", "closed"),
            (&["Acquire::http::Proxy=http://:3128"], "http://x/", "closed"),
        ] {
            // As in apt's messages, where a quoted character is one.
            assert_eq!(plain(items, url), expected, "{items:?} {url}");
        }
    }

    #[test]
    fn the_environment_counts_as_it_does_for_apt() {
        let some = |text: &str| Some(text.to_owned());
        let both = ProxyVariables {
            http_proxy: some("http://a:1"),
            https_proxy: some("http://b:2"),
            no_proxy: some("y.org,.X.org, z.org,,*"),
        };
        let http = ProxyVariables { https_proxy: None, ..both.clone() };
        let off = ProxyVariables { https_proxy: some(""), ..both.clone() };
        for (variables, items, url, expected) in [
            (&both, &[][..], "https://w.org/", "http://b:2"),
            (&http, &[], "https://w.org/", "http://a:1"),
            (&off, &[], "https://w.org/", "direct"),
            (&both, &[], "http://w.org/", "http://a:1"),
            (&both, &["Acquire::http::Proxy=http://c:3"], "https://w.org/", "http://c:3"),
            // Whatever chose the proxy, and by endings.
            (&both, &[], "http://y.org/", "direct"),
            (&both, &["Acquire::http::Proxy=http://c:3"], "http://why.org/", "direct"),
            (&both, &[], "http://a.x.org/", "direct"),
            (&both, &[], "http://x.org/", "http://a:1"),
            // A space belongs to the name, and a star is none.
            (&both, &[], "http://z.org/", "http://a:1"),
        ] {
            assert_eq!(way(items, variables, false, url), expected, "{items:?} {url}");
        }
    }

    #[test]
    fn a_command_is_asked_where_apt_asks_it() {
        let command = "Acquire::https::Proxy-Auto-Detect=/c";
        for (items, url, expected) in [
            (&[command][..], "https://x.org/", "/c direct"),
            (&[command, HTTP], "https://x.org/", "/c http://a:1"),
            // apt looks under the scheme of the source, and not under that of another.
            (&[command], "http://x.org/", "direct"),
            (&["Acquire::http::Proxy-Auto-Detect=/c"], "https://x.org/", "direct"),
            (&["Acquire::https::ProxyAutoDetect=/d"], "https://x.org/", "/d direct"),
            (&["Acquire::https::ProxyAutoDetect=/d", command], "https://x.org/", "/c direct"),
            (
                &["Acquire::quorum+https::Proxy-Auto-Detect=/d", command],
                "https://x.org/",
                "/d direct",
            ),
            (&["Acquire::quorum::Proxy-Auto-Detect=/d"], "https://x.org/", "direct"),
            // What is said for the host comes first, but not what is said for it as http.
            (&[command, "Acquire::https::Proxy::x.org=http://c:3"], "https://x.org/", "http://c:3"),
            (&[command, "Acquire::quorum::Proxy::x.org=DIRECT"], "https://x.org/", "direct"),
            (&[command, "Acquire::http::Proxy::x.org=DIRECT"], "https://x.org/", "/c direct"),
        ] {
            assert_eq!(plain(items, url), expected, "{items:?} {url}");
        }
    }

    #[test]
    fn what_a_command_says_is_taken_as_apt_takes_it() {
        let (apt, variables, logins) = Default::default();
        let url: Url = "https://x.org/".parse().unwrap();
        let otherwise = Proxy::parse("http://o:9").map(Route::Through).unwrap();
        for (said, usual, by_tor) in [
            ("", "http://o:9", "http://o:9"),
            ("DIRECT", "direct", "http://o:9"),
            ("http://a:1/", "http://a:1", "closed"),
            ("https://a:1", "https://a:1", "closed"),
            ("socks5h://a:1", "socks5h://a:1", "socks5h://a:1"),
            ("socks5://a:1", "closed", "closed"),
            ("PROXY a:1", "closed", "closed"),
        ] {
            for (tor, expected) in [(false, usual), (true, by_tor)] {
                let settings =
                    ProxySettings { apt: &apt, variables: &variables, logins: &logins, tor };
                let route = settings.answered(said, "/c", &url, &otherwise);
                assert_eq!(shown(&route), expected, "{said} {tor}");
            }
        }
    }

    #[test]
    fn with_sources_by_tor_nothing_is_asked_past_it_unless_it_is_said_for_the_host() {
        let own = "socks5h://127.0.0.1:9050 apt-transport-tor:xorg";
        for (items, expected) in [
            (&[][..], own),
            // A general proxy is none for Tor.
            (&[HTTP, HTTPS], own),
            (&["Acquire::tor::proxy=http://127.0.0.1:8082/"], "http://127.0.0.1:8082"),
            (&["Acquire::tor+https::Proxy=socks5h://t:1"], "socks5h://t:1"),
            (&["Acquire::tor::Proxy=socks5h://u@t:1"], "socks5h://t:1 u:"),
            (&["Acquire::tor::Proxy=DIRECT"], "closed"),
            (&["Acquire::tor::Proxy=socks5://t:1"], "closed"),
            (&["Acquire::https::Proxy::x.org=DIRECT"], "direct"),
            (&["Acquire::http::Proxy::x.org=http://c:3"], "http://c:3"),
            (&["Acquire::quorum::Proxy=http://c:3"], own),
        ] {
            assert_eq!(
                way(items, &ProxyVariables::default(), true, "https://x.org/"),
                expected,
                "{items:?}"
            );
        }
        let set = ProxyVariables {
            http_proxy: Some("http://a:1".to_owned()),
            ..ProxyVariables::default()
        };
        assert_eq!(way(&[], &set, true, "https://x.org/"), own, "the environment is for others");
    }

    #[test]
    fn names_that_only_tor_knows_are_asked_of_nobody_else() {
        let own = |host: &str| format!("socks5h://127.0.0.1:9050 apt-transport-tor:{host}");
        assert_eq!(plain(&[], "http://ab.onion/"), own("abonion"));
        assert_eq!(plain(&[], "https://AB.Onion./"), own("abonion"));
        assert_eq!(plain(&[HTTP], "http://ab.onion/"), "http://a:1");
        let direct = "Acquire::http::Proxy::ab.onion=DIRECT";
        assert_eq!(plain(&[HTTP, direct], "http://ab.onion/"), own("abonion"));
        let set =
            ProxyVariables { no_proxy: Some("onion".to_owned()), ..ProxyVariables::default() };
        assert_eq!(way(&[HTTP], &set, false, "http://ab.onion/"), own("abonion"));
        assert_eq!(plain(&["Acquire::BlockDotOnion=false"], "http://ab.onion/"), "direct");
        assert_eq!(plain(&[], "http://onion.example/"), "direct");
    }

    #[test]
    fn a_proxy_without_a_port_has_the_one_that_apt_takes() {
        for (text, plain, tls) in [
            ("http://a", 80, 443),
            ("http://a:80", 80, 80),
            ("https://a/", 443, 443),
            ("https://a:443/", 443, 443),
            ("socks5h://a", 1080, 1080),
            ("http://u:p@[::1]", 80, 443),
            ("http://u:80@a", 80, 443),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!((proxy.port(false), proxy.port(true)), (plain, tls), "{text}");
        }
    }

    #[test]
    fn a_proxy_for_evidence_is_an_address_with_a_port_and_hands_names_on() {
        for text in [
            "socks5h://127.0.0.1:9050",
            "socks5h://[::1]:9050",
            "http://proxy.example:3128",
            "https://proxy-1.example:443",
        ] {
            for text in [text, &format!("{text}/")] {
                let proxy = Proxy::of_policy(text).unwrap();
                assert_eq!(proxy.to_string(), text.trim_end_matches('/'));
                assert_eq!((proxy.named_by(), proxy.login()), (ProxySource::Policy, None));
                assert_eq!(Proxy::parse(text).unwrap().port(true), proxy.port(true));
            }
        }
        let names_here = |meant: &str| ProxyError::NamesLookedUpHere { meant: meant.to_owned() };
        for (text, expected) in [
            ("", ProxyError::Scheme),
            ("127.0.0.1:9050", ProxyError::Scheme),
            ("socks://127.0.0.1:9050", ProxyError::Scheme),
            ("socks4a://127.0.0.1:9050", ProxyError::Scheme),
            ("SOCKS5H://127.0.0.1:9050", ProxyError::Scheme),
            (" socks5h://127.0.0.1:9050", ProxyError::Scheme),
            ("DIRECT", ProxyError::Scheme),
            ("socks5://127.0.0.1:9050", names_here("socks5h://127.0.0.1:9050")),
            ("socks5://u@127.0.0.1:9050", ProxyError::Login(ProxyKind::Socks)),
            ("socks5h://u:p@127.0.0.1:9050", ProxyError::Login(ProxyKind::Socks)),
            ("http://u@proxy.example:3128", ProxyError::Login(ProxyKind::Http)),
            ("http://proxy.example/x@y:1", ProxyError::Login(ProxyKind::Http)),
            ("socks5h://127.0.0.1", ProxyError::Address),
            ("socks5h://[::1]", ProxyError::Address),
            ("socks5h://127.0.0.1:", ProxyError::Address),
            ("socks5h://127.0.0.1:0", ProxyError::Address),
            ("socks5h://127.0.0.1:65536", ProxyError::Address),
            ("socks5h://127.0.0.1:9050x", ProxyError::Address),
            ("socks5h://:9050", ProxyError::Address),
            ("socks5h://::1:9050", ProxyError::Address),
            ("socks5h://[x]:9050", ProxyError::Address),
            ("socks5h://a b:9050", ProxyError::Address),
            ("socks5h://a{b}:9050", ProxyError::Address),
            ("socks5h://b\u{fc}cher.example:9050", ProxyError::Address),
            ("http://proxy.example:3128/x", ProxyError::Address),
            ("http://proxy.example:3128?x", ProxyError::Address),
            ("http://proxy.example:3128#x", ProxyError::Address),
        ] {
            assert_eq!(Proxy::of_policy(text), Err(expected), "{text}");
        }
        let long = format!("socks5h://{}:1", "a".repeat(MAX_HOST + 1));
        assert_eq!(Proxy::of_policy(&long), Err(ProxyError::Address));
    }

    /// A proxy that the client cannot read would be left out, and the server asked directly.
    #[test]
    fn a_proxy_of_apts_that_no_host_can_be_is_no_way() {
        for text in ["socks5h://a{b}:1", "http://a\"b:1", "socks5h://a%20b:1", "http://a|b:1"] {
            let item = format!("Acquire::http::Proxy={text}");
            assert_eq!(plain(&[&item], "http://x.org/"), "closed", "{text}");
        }
        let long = format!("Acquire::http::Proxy=http://{}:1", "a".repeat(70_000));
        assert_eq!(plain(&[&long], "http://x.org/"), "closed");
    }

    #[test]
    fn a_proxy_for_evidence_keeps_those_apart_who_have_different_logins() {
        let mut logins = Logins::default();
        let text = "machine socks5h://t:1 login x password y machine http://p:2 login u password v";
        logins.add(zeroize::Zeroizing::new(text.to_owned()));
        let login = |proxy: &str, user: &str| {
            let route = Proxy::of_policy(proxy).unwrap().keeping_apart(user, "1", &logins);
            shown(&Route::Through(route))
        };
        assert_eq!(login("socks5h://t:1", "alice"), "socks5h://t:1 alice:1");
        assert_eq!(login("socks5h://t:1", "bob"), "socks5h://t:1 bob:1");
        assert_eq!(login("http://p:2", "bob"), "http://p:2 u:v");
        assert_eq!(login("http://q:2", "bob"), "http://q:2");
    }

    #[test]
    fn a_login_is_not_shown() {
        let proxy = Proxy::parse("http://user:secret@a:1/").unwrap();
        assert!(!format!("{proxy} {proxy:?}").contains("secret"));
        assert!(!format!("{proxy} {proxy:?}").contains("user"));
    }
}
