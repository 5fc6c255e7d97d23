//! `apt-quorum key show`: every form of a key, as OpenSSL and GnuPG have them.

use std::process::Command;

use crate::common::{Ended, Key, World, left_out, run};
use crate::support::openpgp::{Back, CREATED, PgpKey, Recipe, SIGN, Says, Sub};

fn show(world: &World, arguments: &[&str]) -> Ended {
    let ended = run(world.command().args(["key", "show"]).args(arguments));
    ended.assert_plain();
    ended
}

#[test]
fn a_key_has_the_sha256_that_openssl_shows() {
    let (world, key) = (World::new(), Key::new());
    // rebuilderd's form is another DER of the same key: both are shown in OpenSSL's.
    let plain = world.write("plain.pem", key.pem());
    let odd = world.write("odd.pem", key.pem_of_rebuilderd());
    let json = show(&world, &["--json", plain.to_str().unwrap()]);
    let json = json.assert_code(0).json();
    assert_eq!(json["id"], key.id());
    assert_eq!((&json["type"], &json["text"]), (&"ed25519".into(), &key.pem().into()));
    assert_eq!(show(&world, &["--json", odd.to_str().unwrap()]).json()["sha256"], json["sha256"]);
    let sha256 = json["sha256"].as_str().unwrap();
    let ended = show(&world, &[plain.to_str().unwrap()]);
    let expected = format!(
        "{}\n  type         ed25519\n  key id       {} (in-toto, apt-quorum)\n  SHA-256      {sha256} (openssl pkey -pubin -outform DER | sha256sum)\n{}",
        plain.display(),
        key.id(),
        key.pem()
    );
    assert_eq!(ended.assert_code(0).stdout, expected);

    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[]);
    let mut list = world.command();
    list.args(["rebuilder", "list", "--config"]).arg(world.path("etc"));
    let list = run(&mut list);
    assert!(list.stdout.contains(&format!("SHA-256 of the DER: {sha256}\n")), "{list:?}");
    let base64 = key.pem().lines().nth(1).unwrap().to_owned();
    assert!(list.stdout.contains(&format!("PEM: {base64}\n")), "{list:?}");

    let script = "openssl pkey -pubin -outform DER <\"$0\" | sha256sum";
    let openssl = run(Command::new("sh").args(["-c", script]).arg(&plain));
    if openssl.code != Some(0) || openssl.stdout.starts_with("e3b0c442") {
        return left_out("what openssl shows of a key: it is not here");
    }
    assert_eq!(openssl.stdout.split(' ').next(), Some(sha256));
}

#[test]
fn a_certificate_has_its_fingerprint_and_what_is_no_public_key_is_refused() {
    let world = World::new();
    let says = Says { flags: Some(SIGN), ..Says::at(CREATED) };
    let key = PgpKey::new(CREATED);
    let sub = Sub { key, bindings: vec![(says, Back::Good)], revoked: false };
    let subkeys = vec![sub];
    let certificate = Recipe { subkeys, ..Recipe::of(PgpKey::new(CREATED), SIGN) };
    let path = world.write("a.asc", certificate.armored());
    let json = show(&world, &["--json", path.to_str().unwrap()]).json();
    assert_eq!((&json["type"], &json["sha256"]), (&"openpgp".into(), &().into()));
    assert_eq!(json["fingerprints"][0], json["id"]);
    let ended = show(&world, &[path.to_str().unwrap()]);
    assert!(ended.stdout.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), "{ended:?}");
    let id = json["id"].as_str().unwrap();
    let fingerprint = format!("  fingerprint  {id} (in-toto's key id as well)\n");
    assert!(ended.stdout.contains(&fingerprint), "{ended:?}");
    let subkey = certificate.subkeys[0].key.fingerprint();
    let subkey = format!("  subkey       {subkey} (its fingerprint)\n");
    assert!(ended.stdout.contains(&subkey), "{ended:?}");
    world.write("secret.pem", Key::new().secret_pem());
    world.write("text", "text");
    for name in ["secret.pem", "text", "missing"] {
        let ended = show(&world, &[world.path(name).to_str().unwrap()]);
        ended.assert_code(2);
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}
