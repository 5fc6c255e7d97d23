//! The confirmation that these are the right keys, by fingerprints or by a person.

use super::super::args::Trust;
use super::super::world::{self, Stop, ask};
use super::offer::Offered;
use crate::types::{RebuilderName, printable};

/// Fewest digits of a key's id that can name it: 128 bits. An attacker with many machines can make
/// a key whose id begins with 64 bits of his choice.
const LEAST_DIGITS: usize = 32;

/// The fingerprints of the command line, as digits only.
pub(in crate::cli) fn fingerprints(texts: &[String]) -> Result<Vec<String>, Stop> {
    texts.iter().map(|text| digits(text)).collect()
}

fn digits(text: &str) -> Result<String, Stop> {
    let wrong = |why: &str| Stop::wrong(format!("--fingerprint {}: {why}.", printable(text)));
    let digits: String =
        text.chars().filter(|c| !matches!(c, ' ' | ':')).map(|c| c.to_ascii_lowercase()).collect();
    if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(wrong("a fingerprint is written in hexadecimal digits"));
    }
    if digits.len() < LEAST_DIGITS {
        return Err(wrong("give at least the first 32 digits: fewer can be forged"));
    }
    Ok(digits)
}

/// Succeeds only if the keys are the right ones: fingerprints name each of them and nothing else,
/// or a person at a terminal confirms them. The keys must have been shown before.
pub(super) fn confirm(
    name: &RebuilderName,
    keys: &[Offered],
    trust: &Trust,
    fingerprints: &[String],
) -> Result<(), Stop> {
    let Trust { yes, json, .. } = *trust;
    if !fingerprints.is_empty() || yes {
        named(keys, fingerprints)?;
    }
    if yes {
        return Ok(());
    }
    if json {
        return Err(Stop::wrong(
            "--json asks no questions: add --yes and a --fingerprint for each key. Nothing was changed.",
        ));
    }
    ask(&question(name, keys), "--yes and a --fingerprint for each key")
}

/// Returns true if a person at the terminal confirms the keys.
pub(in crate::cli) fn asked(name: &RebuilderName, keys: &[Offered]) -> Result<bool, Stop> {
    world::asked(&question(name, keys))
}

fn question(name: &RebuilderName, keys: &[Offered]) -> String {
    let what = if keys.len() == 1 { "this key" } else { "these keys" };
    format!("Trust {what} as {name}'s? Type yes: ")
}

/// Succeeds only if fingerprints name each key and nothing else.
pub(in crate::cli) fn named<'a>(
    keys: impl IntoIterator<Item = &'a Offered>,
    fingerprints: &[String],
) -> Result<(), Stop> {
    let keys: Vec<&Offered> = keys.into_iter().collect();
    let nothing = "nothing was changed";
    let is =
        |key: &Offered, digits: &String| key.key.key_id().as_str().starts_with(digits.as_str());
    for digits in fingerprints {
        match keys.iter().filter(|key| is(key, digits)).count() {
            1 => {}
            0 => {
                let why = format!("no key here has the fingerprint {digits}: {nothing}.");
                return Err(Stop::refused(why));
            }
            _ => {
                let why = format!("several keys begin with {digits}, give more digits: {nothing}.");
                return Err(Stop::refused(why));
            }
        }
    }
    match keys.iter().find(|key| !fingerprints.iter().any(|digits| is(key, digits))) {
        None => Ok(()),
        Some(key) => Err(Stop::refused(format!(
            "no --fingerprint names the key {}: {nothing}.",
            key.key.key_id()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PublicKey;

    #[test]
    fn fingerprints_are_taken_as_people_write_them_and_never_short() {
        let read = |text| digits(text).ok();
        assert_eq!(
            read("0123:4567 89AB CDEF 0123456789abcdef").as_deref(),
            Some("0123456789abcdef0123456789abcdef")
        );
        for bad in [
            "",
            "0123456789abcdef0123456789abcde",
            "0x23456789abcdef010123456789abcdef",
            "0123456789abcdef0123456789abcdeg",
            "\u{1b}",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_key_is_named_and_nothing_else() {
        let offered = |hex: &str| Offered {
            key: PublicKey::ed25519_from_hex(hex).unwrap(),
            from: Vec::new(),
        };
        let one = offered("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let two = offered("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let id = |it: &Offered| it.key.key_id().as_str().to_owned();
        let (a, b) = (id(&one), id(&two)[..32].to_owned());
        let keys = [one, two];
        assert!(named(&keys, &[a.clone(), b.clone()]).is_ok());
        assert!(named(&keys[..1], std::slice::from_ref(&a)).is_ok());
        for wrong in [vec![], vec![a.clone()], vec![a.clone(), b.clone(), "0".repeat(32)]] {
            assert!(named(&keys, &wrong).is_err(), "{wrong:?}");
        }
        assert!(named(&keys[..1], &[a.clone(), b]).is_err());
        assert!(named(&keys[..1], &[format!("{a}0")]).is_err());
    }
}
