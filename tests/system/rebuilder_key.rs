//! A rebuilder's key and what is signed with it.

use std::io::Read;

use base64::Engine;
use ed25519_dalek::{Signer, SigningKey};

/// A key made afresh.
#[derive(Clone)]
pub struct RebuilderKey(SigningKey);

impl RebuilderKey {
    pub fn new() -> Self {
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut seed).unwrap();
        Self(SigningKey::from_bytes(&seed))
    }

    /// A rebuilder's file with this key, without endpoints.
    pub fn configuration(&self, name: &str) -> String {
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend(self.0.verifying_key().as_bytes());
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        format!(
            "name = \"{name}\"\n[[key]]\ntype = \"ed25519\"\npublic = \"\"\"-----BEGIN PUBLIC KEY-----\n{base64}\n\
             -----END PUBLIC KEY-----\"\"\"\n"
        )
    }

    /// A link that says that the artifact was rebuilt. The canonical form is written by hand
    /// here, so that it does not come from what is tested.
    pub fn link(&self, artifact: &str, sha256: &str) -> String {
        self.link_of(artifact, &[(artifact, sha256)])
    }

    /// The same with these products, sorted by their names.
    pub fn link_of(&self, artifact: &str, products: &[(&str, &str)]) -> String {
        let products: Vec<String> = products
            .iter()
            .map(|(name, sha256)| format!(r#""{name}":{{"sha256":"{sha256}"}}"#))
            .collect();
        let products = products.join(",");
        let signed = format!(
            r#"{{"_type":"link","byproducts":{{}},"command":[],"environment":null,"materials":{{}},"name":"rebuild {artifact}","products":{{{products}}}}}"#
        );
        let signature: String =
            self.0.sign(signed.as_bytes()).to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        format!(r#"{{"signatures":[{{"keyid":"any","sig":"{signature}"}}],"signed":{signed}}}"#)
    }
}
