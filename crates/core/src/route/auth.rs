//! Logins for proxies, from apt's files with logins (apt_auth.conf(5)).
//!
//! Those for servers stay there: endpoints are asked without a login.

use zeroize::Zeroizing;

use super::proxy::{Login, Proxy, ProxyKind};

/// The texts of these files, in the order in which apt reads them. They are overwritten in memory
/// when they are dropped, and never shown.
#[derive(Default)]
pub struct Logins(Vec<Zeroizing<String>>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}

/// The kind of the next word.
enum ExpectedWord {
    Machine,
    Place,
    /// Something about the machine that is looked for
    Own,
    User,
    Password,
}

impl Logins {
    /// With one file more.
    pub fn add(&mut self, text: Zeroizing<String>) {
        self.0.push(text);
    }

    /// The login for a proxy, as apt finds it (`MaybeAddAuth`, apt-pkg/contrib/netrc.cc): the
    /// first in the first file that has one.
    #[must_use]
    pub(super) fn find(&self, proxy: &Proxy) -> Option<Login> {
        self.0.iter().find_map(|text| in_text(text, proxy))
    }
}

fn in_text(text: &str, proxy: &Proxy) -> Option<Login> {
    let mut login = Login::default();
    let mut expected = ExpectedWord::Machine;
    for word in text.lines().flat_map(|line| line.split([' ', '\t'])).filter(|it| !it.is_empty()) {
        expected = match expected {
            ExpectedWord::Machine if word == "machine" => ExpectedWord::Place,
            ExpectedWord::Machine => ExpectedWord::Machine,
            ExpectedWord::Place if is_meant(word, proxy) => ExpectedWord::Own,
            ExpectedWord::Place => ExpectedWord::Machine,
            ExpectedWord::Own => match word {
                "login" => ExpectedWord::User,
                "password" => ExpectedWord::Password,
                "machine" => break,
                _ => ExpectedWord::Own,
            },
            ExpectedWord::User => {
                word.clone_into(&mut login.user);
                ExpectedWord::Own
            }
            ExpectedWord::Password => {
                word.clone_into(&mut login.password);
                ExpectedWord::Own
            }
        };
    }
    (!login.user.is_empty() || !login.password.is_empty()).then_some(login)
}

/// Returns true when the text behind `machine` means this proxy. The proxy's scheme must be in
/// front of it; only for a proxy over TLS it may be left out.
fn is_meant(place: &str, proxy: &Proxy) -> bool {
    let place = match place.split_once("://") {
        Some((scheme, rest)) if scheme == proxy.kind().scheme() => rest,
        None if proxy.kind() == ProxyKind::Https => place,
        _ => return false,
    };
    let (port, path) = proxy.written();
    let host = proxy.host().trim_start_matches('[').trim_end_matches(']');
    let with_port = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if place.contains('/') {
        return format!("{with_port}{path}").starts_with(place);
    }
    place == with_port || (port.is_some() && place == host)
}

#[cfg(test)]
mod tests {
    use super::super::proxy::{ProxySettings, ProxyVariables, Route, RouteChoice};
    use super::*;
    use crate::apt::configuration::Configuration;

    /// Finds the login for a proxy in these files.
    fn found(files: &[&str], proxy: &str) -> Option<(String, String)> {
        let mut apt = Configuration::default();
        apt.set("Acquire::http::Proxy", proxy.to_owned());
        let mut logins = Logins::default();
        files.iter().for_each(|text| logins.add(Zeroizing::new((*text).to_owned())));
        let variables = ProxyVariables::default();
        let settings =
            ProxySettings { apt: &apt, variables: &variables, logins: &logins, tor: false };
        match settings.choice(&"http://x.org/".parse().unwrap()) {
            RouteChoice::Known(Route::Through(it)) => {
                it.login().map(|it| (it.user.clone(), it.password.clone()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_login_is_found_as_apt_finds_it() {
        let own = Some(("corp".to_owned(), "secret".to_owned()));
        let text = |place: &str| format!("machine {place} login corp password secret\n");
        for (place, proxy, is_there) in [
            ("http://127.0.0.1:20111/", "http://127.0.0.1:20111/", true),
            ("http://127.0.0.1:20111", "http://127.0.0.1:20111/", true),
            ("http://127.0.0.1:20111", "http://127.0.0.1:20111", true),
            ("http://127.0.0.1", "http://127.0.0.1:20111/", true),
            ("http://127.0.0.1", "http://127.0.0.1/", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:20111/", false),
            ("http://127.0.0.1:20111/path", "http://127.0.0.1:20111/", false),
            ("http://127.0.0.1:20111/pa", "http://127.0.0.1:20111/path", true),
            ("http://a.example", "http://b.a.example:1/", false),
            // Over what is not encrypted only if that is said.
            ("127.0.0.1:20111", "http://127.0.0.1:20111/", false),
            ("https://127.0.0.1:20111", "http://127.0.0.1:20111/", false),
            ("a.example", "https://a.example:1", true),
            ("https://a.example", "https://a.example:1", true),
            ("http://a.example", "https://a.example:1", false),
            ("socks5h://a.example", "socks5h://a.example:1", true),
            ("a.example", "socks5h://a.example:1", false),
            ("http://::1", "http://[::1]:1", true),
        ] {
            let expected = own.clone().filter(|_| is_there);
            assert_eq!(found(&[&text(place)], proxy), expected, "{place} for {proxy}");
        }
    }

    #[test]
    fn files_are_read_in_apts_order_and_with_its_line_ends() {
        let a = "machine http://a login one password 1\n";
        let proxy = "http://a:1";
        let is = |files: &[&str], user: &str, password: &str| {
            assert_eq!(
                found(files, proxy),
                Some((user.to_owned(), password.to_owned())),
                "{files:?}"
            );
        };
        is(&["", a, "machine http://a login two password 2"], "one", "1");
        is(
            &[
                "# words\nmachine http://b login x password y\n\tmachine\nhttp://a\n login one\npassword\n1",
            ],
            "one",
            "1",
        );
        is(&["machine http://a password 1 account z login one"], "one", "1");
        is(&["machine http://a login one\r\n  password 1\r\nmachine http://a login x"], "one", "1");
        is(&["machine http://a login only"], "only", "");
        assert_eq!(found(&["machine http://a machine http://b login x"], proxy), None);
        assert_eq!(
            found(&["login x password y", "machine", "machine http://a login"], proxy),
            None
        );
        // One that stands with the proxy itself comes first.
        let own = found(&[a], "http://me:mine@a:1");
        assert_eq!(own, Some(("me".to_owned(), "mine".to_owned())));
    }
}
