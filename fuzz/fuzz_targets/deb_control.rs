//! Packages, from the outside in: the first byte of an input says how many layers are made here,
//! and the fuzzer makes what is in them. What we take a package for, a reader by the book takes it
//! for.
#![no_main]

use std::io::Read;

use apt_quorum::deb::{DebError, examine};
use apt_quorum::types::Sha256Digest;
use apt_quorum_fuzz::support::deb;
use apt_quorum_fuzz::wrap::{gz, mended};
use apt_quorum_fuzz::{Dripping, naive};
use libfuzzer_sys::fuzz_target;

/// The archive in a control member, unpacked in one go.
fn unpacked(name: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let limit = 64 << 20;
    match name {
        "control.tar" => out.extend(body),
        "control.tar.gz" => {
            flate2::read::GzDecoder::new(body).take(limit).read_to_end(&mut out).ok()?;
        }
        "control.tar.xz" => {
            lzma_rust2::XzReader::new(body, true).take(limit).read_to_end(&mut out).ok()?;
        }
        "control.tar.zst" => {
            let stream = ruzstd::decoding::StreamingDecoder::new(body).ok()?;
            stream.take(limit).read_to_end(&mut out).ok()?;
        }
        _ => return None,
    }
    Some(out)
}

fn by_the_book(package: &[u8]) -> Option<String> {
    let mut members = naive::ar(package)?;
    members.retain(|(name, _)| !name.starts_with('_'));
    let [(version, _), (name, control), (data, _), rest @ ..] = members.as_slice() else {
        return None;
    };
    let known = |name: &String| ["control", "data", "debian"].iter().any(|it| name.starts_with(it));
    let rest = rest.iter().any(|(name, _)| known(name));
    if version != "debian-binary" || !data.starts_with("data.tar") || rest {
        return None;
    }
    let tar = unpacked(name, control)?;
    naive::identity(&naive::control(&naive::tar(&tar)?)?)
}

/// The package that the first two bytes ask for.
fn package(how: u8, detail: u8, text: &[u8]) -> Vec<u8> {
    let control = |name: &str, body: &[u8]| {
        deb::ar(&[("debian-binary", b"2.0\n"), (name, body), ("data.tar", b"")])
    };
    // How much memory a stream asks for: mostly little, for the sake of speed.
    let (dictionary, window) = if detail < 200 { (8, 0x38) } else { (detail % 41, detail) };
    let entry = |body: &[u8]| deb::tar(&[deb::file("./control", body)]);
    match how % 16 {
        0 => text.to_vec(),
        // The control file
        1 => control("control.tar", &entry(text)),
        2 => control("control.tar.gz", &deb::gz(&entry(text))),
        3 => control("control.tar.xz", &deb::xz(&entry(text), dictionary)),
        4 => control("control.tar.zst", &deb::zst(&entry(text), window)),
        // The control archive
        5 => control("control.tar", text),
        6 => control("control.tar", &mended(text)),
        7 => control("control.tar.gz", &deb::gz(&mended(text))),
        8 => control("control.tar.xz", &deb::xz(&mended(text), dictionary)),
        9 => control("control.tar.zst", &deb::zst(&mended(text), window)),
        // The compressed stream
        10 => control("control.tar.gz", text),
        11 => control("control.tar.gz", &gz(text)),
        12 => control("control.tar.xz", text),
        13 => control("control.tar.zst", text),
        // What an ar header says of it
        14 => {
            let (size, body) = text.split_at(text.len().min(10));
            let size: String = size.iter().map(|&byte| char::from(byte & 0x7f)).collect();
            let member = deb::ar_member("control.tar", &size, body);
            let first = deb::ar(&[("debian-binary", b"2.0\n")]);
            [first, member, deb::ar(&[("data.tar", b"")])[8..].to_vec()].concat()
        }
        // Entries of which each field is the fuzzer's
        _ => {
            let mut entries = Vec::new();
            for part in text.split(|&byte| byte == 0xff) {
                let (fields, body) = part.split_at(part.len().min(6));
                let field = |at: usize| fields.get(at).copied().unwrap_or(0);
                let names =
                    ["control", "./control", "control/", "./", "x", "/control", "a/../control"];
                let name = names[usize::from(field(0)) % names.len()];
                let mut entry = deb::Entry::new(name, field(1)).body(body);
                if field(2) != b'0' {
                    entry = entry.with(124 + usize::from(field(2)) % 12, field(3));
                }
                if field(4) != b'0' {
                    entry = entry.with(usize::from(field(4)) * 2 % 512, field(5));
                }
                entries.push(entry.build());
            }
            control("control.tar", &deb::tar(&entries))
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [how, detail, text @ ..] = data else { return };
    let package = package(*how, *detail, text);
    let file = examine(package.as_slice()).expect("memory is read without failures");
    assert_eq!(file.sha256(), Sha256Digest::of(&package));
    assert_eq!(file.size(), u64::try_from(package.len()).unwrap());
    if detail % 8 == 0 {
        let dripped = examine(Dripping(&package, usize::from(*detail) + 1)).expect("memory");
        let (whole, dripped) = (file.control(), dripped.control());
        // Of a damaged stream more or less comes out before the damage shows. What comes out can be
        // odd, too, and is then refused for that.
        let damaged = [whole, dripped].contains(&Err(&DebError::Damaged));
        let same = whole == dripped || (damaged && whole.is_err() && dripped.is_err());
        assert!(same, "it depends on how the file is read: {whole:?}, {dripped:?}");
    }
    match file.control() {
        Ok(control) => {
            let seen = control.identity.to_string();
            assert_eq!(by_the_book(&package), Some(seen), "others take it for something else");
            // It would be refused with half of it missing, and with something behind it.
            let half = examine(&package[..package.len() / 2]).expect("memory");
            assert!(half.control().is_err());
            let more = [&package, b"x".as_slice()].concat();
            let more = examine(more.as_slice()).expect("memory");
            // Padding of the last member may be missing or anything.
            let unpadded = naive::ar(&package).and_then(|all| all.last().map(|it| it.1.len() % 2));
            assert!(more.control().is_err() || unpadded == Some(1));
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 1000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            // What the fuzzer can make here is never so large without being hostile.
            assert!(*error != DebError::TooLarge || package.len() > 1000 || *how % 16 > 9);
        }
    }
});
