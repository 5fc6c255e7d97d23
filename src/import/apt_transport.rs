//! The settings of apt-transport-in-toto: the items below `APT::Intoto` in apt's configuration.

use std::path::PathBuf;

use reqwest::Url;

use crate::types::printable;

/// Most items of each kind.
const MAX_ITEMS: usize = 64;

/// The settings that apt-transport-in-toto runs by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTotoSettings {
    /// The layout
    pub layout: PathBuf,
    /// The ids of the keys that must have signed it: in lower case, full fingerprints
    pub key_ids: Vec<String>,
    /// The addresses at which links are
    pub rebuilders: Vec<Url>,
    /// The home of the GnuPG that knows the keys
    pub gpg_home: Option<PathBuf>,
    /// The fate of a package without enough links
    pub no_fail: NoFail,
    /// Items whose meaning is not known
    pub unknown: Vec<String>,
}

/// The fate of a package about which too few links are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFail {
    /// It is refused.
    Off,
    /// It is installed.
    On,
}

/// The reason why the settings cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There are none.
    #[error("nothing below APT::Intoto is set: apt-transport-in-toto is not configured there")]
    None,
    /// Something is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// An item has a value that is not valid.
    #[error("{item} is {}, {why}", printable(.value))]
    Wrong {
        /// The item
        item: &'static str,
        /// Its value
        value: String,
        /// The mistake in it
        why: &'static str,
    },
    /// An item has more values than anybody needs.
    #[error("{0} has too many values")]
    TooMany(&'static str),
}

impl InTotoSettings {
    /// Takes the items of apt's configuration below `APT::Intoto`, in their order, without that
    /// part of their names. Follows the method itself in two points. The last of several values
    /// counts where there can be only one. An item counts as a list or without.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn of(items: &[(String, String)]) -> Result<Self, SettingsError> {
        let values = |name: &str| -> Vec<&str> {
            let named = |item: &str| item.trim_end_matches("::").eq_ignore_ascii_case(name);
            let values = items.iter().filter(|(item, _)| named(item)).map(|(_, it)| it.as_str());
            values.filter(|it| !it.is_empty()).collect()
        };
        if items.iter().all(|(_, value)| value.is_empty()) {
            return Err(SettingsError::None);
        }
        let layout = values("Layout").pop().ok_or(SettingsError::Missing("APT::Intoto::Layout"))?;
        let absolute = |item, value: &str| {
            let path = PathBuf::from(value);
            let why = "not an absolute path";
            let wrong = SettingsError::Wrong { item, value: value.to_owned(), why };
            if path.is_absolute() { Ok(path) } else { Err(wrong) }
        };
        let key_ids = bounded("APT::Intoto::Keyids", values("Keyids"))?;
        if key_ids.is_empty() {
            return Err(SettingsError::Missing("APT::Intoto::Keyids"));
        }
        let key_ids = key_ids.into_iter().map(key_id).collect::<Result<_, _>>()?;
        let rebuilders = bounded("APT::Intoto::Rebuilders", values("Rebuilders"))?;
        let rebuilders = rebuilders.into_iter().map(rebuilder).collect::<Result<_, _>>()?;
        let home = values("GPGHomedir").pop();
        let known = ["", "layout", "keyids", "rebuilders", "gpghomedir", "nofail", "loglevel"];
        let unknown = |item: &str| {
            let name = item.trim_end_matches("::").to_ascii_lowercase();
            (!known.contains(&name.as_str())).then(|| printable(item).to_string())
        };
        Ok(Self {
            layout: absolute("APT::Intoto::Layout", layout)?,
            key_ids,
            rebuilders,
            gpg_home: home.map(|it| absolute("APT::Intoto::GPGHomedir", it)).transpose()?,
            no_fail: if values("NoFail").contains(&"true") { NoFail::On } else { NoFail::Off },
            unknown: items.iter().filter_map(|(item, _)| unknown(item)).take(MAX_ITEMS).collect(),
        })
    }
}

fn bounded<'v>(item: &'static str, values: Vec<&'v str>) -> Result<Vec<&'v str>, SettingsError> {
    if values.len() > MAX_ITEMS { Err(SettingsError::TooMany(item)) } else { Ok(values) }
}

/// Reads a full fingerprint: a shorter id matches other people's keys as well.
fn key_id(value: &str) -> Result<String, SettingsError> {
    let id: String = value.split_ascii_whitespace().collect::<String>().to_ascii_lowercase();
    if id.len() == 40 && id.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Ok(id);
    }
    let why = "not a full fingerprint of 40 digits; shorter ones match other keys too";
    Err(SettingsError::Wrong { item: "APT::Intoto::Keyids", value: value.to_owned(), why })
}

fn rebuilder(value: &str) -> Result<Url, SettingsError> {
    let whole = format!("{}/", value.trim_end_matches('/'));
    whole.parse().map_err(|_| SettingsError::Wrong {
        item: "APT::Intoto::Rebuilders",
        value: value.to_owned(),
        why: "not a URL",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: &[(&str, &str)]) -> Result<InTotoSettings, SettingsError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        InTotoSettings::of(&items.iter().map(own).collect::<Vec<_>>())
    }

    const KEY: &str = "88876A89E3D4698F83D3DB0E72E33CA3E0E04E46";

    #[test]
    fn what_the_package_ships_is_understood() {
        let settings = read(&[
            ("", ""),
            ("LogLevel", ""),
            ("LogLevel::", "20"),
            ("Rebuilders", ""),
            ("Rebuilders::", "http://158.39.77.214"),
            ("Rebuilders::", "https://reproducible-builds.engineering.nyu.edu//"),
            ("Layout", ""),
            ("Layout::", "/etc/intoto/root.layout"),
            ("Keyids::", KEY),
            ("NoFail::", "true"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.layout, PathBuf::from("/etc/intoto/root.layout"));
        assert_eq!(settings.key_ids, [KEY.to_ascii_lowercase()]);
        let urls: Vec<&str> = settings.rebuilders.iter().map(Url::as_str).collect();
        let expected =
            ["http://158.39.77.214/", "https://reproducible-builds.engineering.nyu.edu/"];
        assert_eq!(urls, expected);
        assert_eq!((settings.no_fail, settings.gpg_home), (NoFail::On, None));
        assert!(settings.unknown.is_empty());
    }

    #[test]
    fn what_could_mean_somebody_else_is_refused() {
        let layout = ("Layout::", "/l");
        for (items, part) in [
            (vec![("Layout", "")], "nothing below"),
            (vec![("Keyids::", KEY)], "Layout is not set"),
            (vec![layout], "Keyids is not set"),
            (vec![layout, ("Keyids::", "E0E04E46")], "not a full fingerprint"),
            (vec![("Layout::", "root.layout"), ("Keyids::", KEY)], "not an absolute path"),
            (vec![layout, ("Keyids::", KEY), ("Rebuilders::", "nowhere")], "not a URL"),
            (vec![layout, ("Keyids::", KEY), ("GPGHomedir", "x")], "not an absolute path"),
        ] {
            let error = read(&items).unwrap_err().to_string();
            assert!(error.contains(part), "{items:?}: {error}");
        }
        let many = vec![("Keyids::", KEY); MAX_ITEMS + 1];
        assert!(read(&[&[layout], &many[..]].concat()).is_err());
        let odd = read(&[layout, ("Keyids::", KEY), ("Odd\u{1b}::x", "1")]).unwrap();
        assert_eq!(odd.unknown, ["Odd?::x"]);
        assert_eq!(odd.no_fail, NoFail::Off);
    }
}
