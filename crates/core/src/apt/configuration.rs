//! apt's configuration, as apt hands it to methods and hooks.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// apt's configuration tree (apt.conf(5)). Names are compared without regard to case.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Configuration {
    items: BTreeMap<String, String>,
}

impl Configuration {
    /// Adds one `Name=value` as it stands in a 601 message (method.dbk, "Configuration") or in
    /// the header of a Pre-Install-Pkgs list, where both sides are percent-quoted. A text without
    /// `=` sets nothing. Elements of lists, whose names end in `::`, are left out: nothing here
    /// needs them.
    pub fn add(&mut self, item: &str) {
        if let Some((name, value)) = item.split_once('=') {
            self.set(&dequote(name), dequote(value));
        }
    }

    /// Sets one item. Elements of lists are left out.
    pub fn set(&mut self, name: &str, value: String) {
        if !name.ends_with("::") {
            self.items.insert(name.to_ascii_lowercase(), value);
        }
    }

    /// Adds what `apt-config dump` printed: lines of `Name "value";`.
    pub fn add_dump(&mut self, dump: &str) {
        for (name, value) in dumped(dump) {
            self.set(name, value.to_owned());
        }
    }

    /// The value of an item, if it has one that is not empty: apt does not tell an empty one from
    /// a missing one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        let value = self.items.get(&name.to_ascii_lowercase())?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns true when an item is set to a value that apt takes for yes.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.find(name).and_then(truth) == Some(true)
    }

    /// Only the items that are, or stand below, one of `names`.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let below = |item: &str, name: &str| {
            let rest = item.strip_prefix(&name.to_ascii_lowercase());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let kept = self.items.iter().filter(|(item, _)| names.iter().any(|name| below(item, name)));
        Self { items: kept.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// The path that an item names, or `default` if it is not set.
    ///
    /// As apt's `FindFile` (apt-pkg/contrib/configuration.cc): a relative value stands below the
    /// values of the items above it, `Dir::State::lists` below `Dir::State` below `Dir`, and all
    /// below `RootDir`.
    #[must_use]
    pub fn path(&self, name: &str, default: &str) -> PathBuf {
        let root = self.find("RootDir").unwrap_or("/");
        let mut path = self.find(name).unwrap_or(default).to_owned();
        let mut above = name;
        let stands_alone =
            |path: &str| ["/", "./", "../", "~"].iter().any(|it| path.starts_with(it));
        while !stands_alone(&path) {
            let Some((parent, _)) = above.rsplit_once("::") else { break };
            above = parent;
            if let Some(value) = self.find(parent) {
                path = format!("{}/{path}", value.trim_end_matches('/'));
            }
        }
        // From the directory that apt was called in.
        if path.starts_with("./") || path.starts_with("../") {
            return path.into();
        }
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        if path == "/dev/null" {
            return path.into();
        }
        format!("{}/{}", root.trim_end_matches('/'), path.trim_start_matches('/')).into()
    }
}

/// The items that `apt-config dump` printed below `name`, in their order and with the elements of
/// lists, each without that part of its name.
#[must_use]
pub fn dumped_below(dump: &str, name: &str) -> Vec<(String, String)> {
    let below = |item: &str| {
        let (start, rest) = item.split_at_checked(name.len())?;
        let rest = rest.strip_prefix("::").or_else(|| rest.is_empty().then_some(rest));
        rest.filter(|_| start.eq_ignore_ascii_case(name)).map(ToOwned::to_owned)
    };
    dumped(dump).filter_map(|(item, value)| Some((below(item)?, value.to_owned()))).collect()
}

/// The items that `apt-config dump` printed.
fn dumped(dump: &str) -> impl Iterator<Item = (&str, &str)> {
    dump.lines().filter_map(|line| line.strip_suffix("\";")?.split_once(" \""))
}

/// The values that apt takes for yes or no (`StringToBool`, apt-pkg/contrib/strutl.cc): numbers
/// and some words.
pub(super) fn truth(value: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match value.parse::<i64>() {
        Ok(number) => Some(number != 0),
        Err(_) if is(["yes", "true", "with", "on", "enable"]) => Some(true),
        Err(_) if is(["no", "false", "without", "off", "disable"]) => Some(false),
        Err(_) => None,
    }
}

/// Undoes apt's quoting, `%xx` for a byte. A `%` that no two digits follow stands for itself, as
/// in apt's `DeQuoteString`.
pub(crate) fn dequote(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let mut quoted = [0];
        match digits.filter(|_| byte == b'%') {
            Some(digits) if crate::types::hex_decode(digits, &mut quoted).is_some() => {
                out.extend(quoted);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn configuration(items: &[&str]) -> Configuration {
        let mut configuration = Configuration::default();
        items.iter().for_each(|item| configuration.add(item));
        configuration
    }

    #[test]
    fn items_are_found_whatever_their_case_and_quoting() {
        let c = configuration(&["APT::Sandbox::User=_apt", "A::B=x%20y%25%0a%zz", "C=", "L::=1"]);
        assert_eq!(c.find("apt::sandbox::user"), Some("_apt"));
        assert_eq!(c.find("A::B"), Some("x y%\n%zz"));
        assert_eq!(c.find("C"), None);
        assert_eq!(c.find("L::"), None);
    }

    #[test]
    fn paths_are_put_together_as_apt_does() {
        let c = configuration(&["Dir=/", "Dir::State=var/lib/apt", "Dir::State::lists=lists/"]);
        assert_eq!(c.path("Dir::State::lists", ""), PathBuf::from("/var/lib/apt/lists/"));
        let c = configuration(&["Dir=/", "Dir::State=/x", "Dir::State::lists=lists/"]);
        assert_eq!(c.path("Dir::State::lists", ""), PathBuf::from("/x/lists/"));
        // From where apt is called, whatever RootDir says (flCombine, apt-pkg/contrib/fileutl.cc).
        for relative in ["./state", "../state"] {
            let items = ["RootDir=/srv/root", "Dir=/", &format!("Dir::State={relative}")];
            let found = configuration(&items).path("Dir::State::lists", "lists/");
            assert_eq!(found, Path::new(relative).join("lists/"));
        }
        let c = configuration(&["RootDir=/srv/root/", "Dir=/", "Dir::Cache=var/cache/apt"]);
        assert_eq!(
            c.path("Dir::Cache::archives", "archives"),
            PathBuf::from("/srv/root/var/cache/apt/archives")
        );
        assert_eq!(
            c.path("APT::Quorum::Config", "/etc/apt-quorum"),
            PathBuf::from("/srv/root/etc/apt-quorum")
        );
    }

    #[test]
    fn a_dump_is_read() {
        let mut c = Configuration::default();
        c.add_dump("APT \"\";\nAPT::Architecture \"amd64\";\nAPT::NeverAutoRemove:: \"^x\";\nAcquire::http::Proxy \"http://127.0.0.1:8082/\";\n");
        assert_eq!(c.find("Acquire::http::Proxy"), Some("http://127.0.0.1:8082/"));
        assert_eq!(c.find("APT"), None);
    }

    #[test]
    fn lists_are_read_from_a_dump() {
        let dump = "APT::Into \"x\";\nAPT::Intoto \"\";\napt::intoto::L:: \"a b\";\nAPT::Intoto::L:: \"c\";\nAPT::IntotoX \"y\";\n";
        let own = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        let expected = [("", ""), ("L::", "a b"), ("L::", "c")].map(own);
        assert_eq!(dumped_below(dump, "APT::Intoto"), expected);
    }
}
