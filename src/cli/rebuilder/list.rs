//! `apt-quorum rebuilder list`.

use serde::Serialize;

use super::super::Exit;
use super::super::args::ListArguments;
use super::super::output::{json, print};
use super::{Stop, show};
use crate::config::{Config, Endpoint, Protocol, Rebuilder};
use crate::types::{Architecture, RebuilderName, Sha256Digest, printable};

/// The message where there is no rebuilder.
pub(super) const NONE: &str = "No rebuilder is configured. Choose some: apt-quorum setup\n";

/// A rebuilder as it is listed.
#[derive(Serialize)]
struct ListedRebuilder<'a> {
    name: &'a RebuilderName,
    contact: Option<&'a str>,
    file: String,
    keys: Vec<ListedKey>,
    endpoints: Vec<ListedEndpoint<'a>>,
    /// The kinds of its statements that count, for people
    accepts: Vec<String>,
}

#[derive(Serialize)]
struct ListedKey {
    r#type: &'static str,
    /// in-toto's key id
    id: String,
    /// The SHA-256 of the key in DER; none of a certificate
    sha256: Option<Sha256Digest>,
    not_after: Option<String>,
    #[serde(skip)]
    forms: Vec<String>,
}

#[derive(Serialize)]
struct ListedEndpoint<'a> {
    protocol: Protocol,
    url: &'a str,
    architectures: Option<Vec<&'a str>>,
}

pub(super) fn run(arguments: &ListArguments) -> Result<Exit, Stop> {
    let (config, _) = crate::cli::config::load(&arguments.directory)?;
    let listed = |(name, it)| ListedRebuilder::of(name, it, &config);
    let rebuilders: Vec<ListedRebuilder<'_>> = config.rebuilders.iter().map(listed).collect();
    let text = match arguments.json {
        true => json(&serde_json::json!({ "schema": 1, "rebuilders": rebuilders })),
        false if rebuilders.is_empty() => NONE.to_owned(),
        false => rebuilders.iter().map(ListedRebuilder::text).collect(),
    };
    Ok(print(&text, Exit::Admitted))
}

impl<'a> ListedRebuilder<'a> {
    fn of(name: &'a RebuilderName, rebuilder: &'a Rebuilder, config: &'a Config) -> Self {
        let keys = config.policy.keys().iter().filter(|key| key.rebuilder == *name);
        let endpoints = config.endpoints.iter().filter(|endpoint| endpoint.rebuilder == *name);
        let accepts = config.policy.keys().accepted(name).iter().map(ToString::to_string);
        let key = |it: &crate::attest::PinnedKey| ListedKey {
            r#type: it.key.kind().name(),
            id: it.key.key_id().as_str().to_owned(),
            sha256: it.key.to_der().map(|der| Sha256Digest::of(&der)),
            not_after: it.not_after.map(|date| date.date()),
            forms: show::other_forms(&it.key),
        };
        Self {
            name,
            contact: rebuilder.contact.as_deref(),
            file: rebuilder.file.display().to_string(),
            keys: keys.map(key).collect(),
            endpoints: endpoints.map(ListedEndpoint::of).collect(),
            accepts: accepts.collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} ({})\n", self.name, self.file);
        if let Some(contact) = self.contact {
            show::line(&mut text, "contact", printable(contact));
        }
        for ListedKey { r#type, id, not_after, forms, .. } in &self.keys {
            let until = not_after.as_ref().map(|date| format!(" (until {date})"));
            let until = until.unwrap_or_default();
            show::line(&mut text, "key", format_args!("{type} {id}{until}", type = r#type));
            for form in forms {
                show::line(&mut text, "", form);
            }
        }
        // Links are the usual kind, and so not worth a line.
        for accepted in self.accepts.iter().filter(|_| self.accepts != ["links"]) {
            show::line(&mut text, "accepts", accepted);
        }
        for it in &self.endpoints {
            show::endpoint(&mut text, it.protocol.name(), it.url, it.architectures.as_ref());
        }
        text
    }
}

impl<'a> ListedEndpoint<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        let architectures = endpoint.architectures.as_ref();
        Self {
            protocol: endpoint.protocol,
            url: endpoint.url.as_str(),
            architectures: architectures.map(|it| it.iter().map(Architecture::as_str).collect()),
        }
    }
}
