//! Remarks about the routes to endpoints, for people.

use std::collections::{BTreeMap, BTreeSet};

use crate::apt::configuration::Configuration;
use crate::config::{Config, Endpoint};
use crate::fetching::{Commands, Finder, fetching_user};
use crate::route::proxy::{Proxy, ProxyKind, ProxySettings, Route, RouteChoice};

/// Most hosts that one sentence names.
const SHOWN: usize = 5;

/// Lists remarks about the routes to endpoints for people, a sentence each: the proxy for evidence
/// alone, endpoints with another route than packages, endpoints that are not asked, and the use of
/// Tor.
///
/// Commands that name a proxy run as for evidence, or not at all.
pub(super) fn ways(config: &Config, apt: &Configuration, commands: Commands<'_>) -> Vec<String> {
    let (endpoints, patience) = (&config.endpoints, config.timeouts.answer);
    let finder = Finder::open(apt);
    let settings = finder.settings();
    if let Some(proxy) = &config.proxy {
        let on_network: Vec<_> = endpoints.iter().filter(|it| it.url.has_host()).collect();
        let hosts = on_network.iter().filter(|it| it.url.scheme() == "https");
        let hosts = hosts.flat_map(|it| left_out(&settings, it.url.host_str().unwrap_or_default()));
        let mut notes = match on_network.is_empty() {
            true => Vec::new(),
            false => vec![by_own_proxy(proxy)],
        };
        notes.extend(hosts.collect::<BTreeSet<String>>());
        return notes;
    }
    let user = fetching_user(apt).ok().flatten();
    let as_ever = user.as_ref().map_or(commands, Commands::As);
    let run = if matches!(commands, Commands::Own) { as_ever } else { commands };
    let routes = finder.find(endpoints, None, patience, run);
    let mut notes = Vec::new();
    let mut by_tor: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|it| it.url.has_host()) {
        let Endpoint { rebuilder, url, .. } = endpoint;
        let host = url.host_str().unwrap_or_default();
        match (routes.of(rebuilder, url), settings.choice(url)) {
            (Route::Closed(_), RouteChoice::Ask { command, .. })
                if matches!(commands, Commands::Left) =>
            {
                notes.push(format!(
                    "{command} names the proxy for {host} each time (Proxy-Auto-Detect)"
                ));
            }
            (Route::Closed(why), _) => {
                notes.push(format!("{rebuilder}'s endpoint {host} is not asked: {why}"));
            }
            (Route::Direct, _) if settings.tor => notes.push(format!(
                "apt has sources by Tor, but {rebuilder}'s endpoint {host} is asked past Tor because of its own setting or no_proxy"
            )),
            (Route::Through(proxy), _) if settings.goes_by_tor(url) => {
                by_tor.entry(proxy.to_string()).or_default().insert(host.to_owned());
            }
            // Over http, proxies connect to any port.
            (Route::Through(proxy), _)
                if proxy.kind() != ProxyKind::Socks && url.scheme() == "https" && url.port().is_some() =>
            {
                notes.push(format!(
                    "{rebuilder}'s endpoint {host} is asked on port {} through apt's proxy {proxy}; some proxies allow https only on port 443",
                    url.port().unwrap_or_default()
                ));
            }
            _ => {}
        }
        if url.scheme() == "https" {
            notes.extend(left_out(&settings, host));
        }
    }
    for (proxy, hosts) in by_tor {
        let mut shown: Vec<&str> = hosts.iter().take(SHOWN).map(String::as_str).collect();
        if hosts.len() > SHOWN {
            shown.push("...");
        }
        let why = if settings.tor { "apt has sources by Tor" } else { "only Tor knows such names" };
        notes.push(format!(
            "asked only through Tor's proxy {proxy}, because {why}: {}",
            shown.join(", ")
        ));
    }
    let mut seen = BTreeSet::new();
    notes.retain(|it| seen.insert(it.clone()));
    notes
}

/// Describes the proxy for evidence alone, and how far it keeps rebuilders apart.
fn by_own_proxy(proxy: &Proxy) -> String {
    match proxy.kind() {
        ProxyKind::Socks => format!(
            "rebuilders are asked only through the proxy {proxy} of policy.toml, each with a login of its own"
        ),
        ProxyKind::Http | ProxyKind::Https => format!(
            "rebuilders are asked only through the proxy {proxy} of policy.toml, all in the same way: only socks5h:// keeps them apart"
        ),
    }
}

/// Lists settings that apt has for its packages and that do not apply to endpoints.
fn left_out(settings: &ProxySettings<'_>, host: &str) -> Vec<String> {
    let set = |setting: &str| settings.find("https", host, setting);
    let is_off = |word: &str| {
        word == "0"
            || ["no", "false", "without", "off", "disable"]
                .iter()
                .any(|it| word.eq_ignore_ascii_case(it))
    };
    let mut notes = Vec::new();
    for setting in ["Verify-Peer", "Verify-Host"] {
        if set(setting).is_some_and(is_off) {
            notes.push(format!(
                "{setting} is off for apt, but endpoints still need a valid certificate: add an unknown authority to \"authorities\" under [network]"
            ));
        }
    }
    for setting in ["SslCert", "SslKey", "CrlFile"] {
        if set(setting).is_some() {
            notes.push(format!("{setting} applies to apt's packages, not to endpoints"));
        }
    }
    notes
}
