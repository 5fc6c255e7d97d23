//! `apt-quorum rebuilder list`.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::Exit;
use super::super::args::RebuilderList;
use super::super::output::{json, print};
use crate::config::{Config, Protocol};
use crate::types::RebuilderName;

/// A rebuilder as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a RebuilderName,
    contact: Option<&'a str>,
    file: String,
    keys: Vec<ListedKey>,
    endpoints: Vec<ListedEndpoint>,
    /// The kinds of its statements that count, for people
    accepts: Vec<String>,
}

#[derive(Serialize)]
struct ListedKey {
    r#type: &'static str,
    /// in-toto's key id
    id: String,
    not_after: Option<String>,
}

#[derive(Serialize)]
struct ListedEndpoint {
    protocol: Protocol,
    url: String,
    architectures: Option<Vec<String>>,
}

pub(super) fn run(arguments: &RebuilderList) -> Exit {
    let config = match super::super::config::load(&arguments.directory) {
        Ok((config, _)) => config,
        Err(exit) => return exit,
    };
    let rebuilders: Vec<Listed<'_>> = list(&config);
    if arguments.json {
        let text = json(&serde_json::json!({ "schema": 1, "rebuilders": rebuilders }));
        return print(&text, Exit::Admitted);
    }
    print(&table(&rebuilders), Exit::Admitted)
}

fn list(config: &Config) -> Vec<Listed<'_>> {
    let one = |(name, rebuilder): (&'_ RebuilderName, &'_ crate::config::Rebuilder)| {
        let keys = config.policy.keys().iter().filter(|key| key.rebuilder == *name);
        let endpoints = config.endpoints.iter().filter(|endpoint| endpoint.rebuilder == *name);
        (
            keys.map(|key| ListedKey {
                r#type: key.key.kind().name(),
                id: key.key.key_id().as_str().to_owned(),
                not_after: key.not_after.map(|date| date.date()),
            })
            .collect(),
            endpoints
                .map(|endpoint| ListedEndpoint {
                    protocol: endpoint.protocol,
                    url: endpoint.url.to_string(),
                    architectures: endpoint
                        .architectures
                        .as_ref()
                        .map(|list| list.iter().map(ToString::to_string).collect()),
                })
                .collect(),
            rebuilder.file.display().to_string(),
        )
    };
    config
        .rebuilders
        .iter()
        .map(|(name, rebuilder)| {
            let (keys, endpoints, file) = one((name, rebuilder));
            let accepts = config.policy.keys().accepted(name).iter().map(ToString::to_string);
            let (contact, accepts) = (rebuilder.contact.as_deref(), accepts.collect());
            Listed { name, contact, file, keys, endpoints, accepts }
        })
        .collect()
}

/// The message where there is no rebuilder.
pub(super) const NOBODY: &str =
    "There is no rebuilder yet: nobody's word counts. See apt-quorum.toml(5).\n";

fn table(rebuilders: &[Listed<'_>]) -> String {
    if rebuilders.is_empty() {
        return NOBODY.to_owned();
    }
    let mut text = String::new();
    for rebuilder in rebuilders {
        let _ = writeln!(text, "{} ({})", rebuilder.name, rebuilder.file);
        if let Some(contact) = rebuilder.contact {
            let _ = writeln!(text, "  contact   {}", crate::types::printable(contact));
        }
        for key in &rebuilder.keys {
            let until = key.not_after.as_ref().map(|date| format!(" (until {date})"));
            let _ = writeln!(
                text,
                "  key       {} {}{}",
                key.r#type,
                key.id,
                until.unwrap_or_default()
            );
        }
        // Links are the usual kind, and so not worth a line.
        for accepted in rebuilder.accepts.iter().filter(|_| rebuilder.accepts != ["links"]) {
            let _ = writeln!(text, "  accepts   {accepted}");
        }
        for endpoint in &rebuilder.endpoints {
            let only =
                endpoint.architectures.as_ref().map(|list| format!(" (only {})", list.join(", ")));
            let protocol = endpoint.protocol.name();
            let _ = writeln!(
                text,
                "  endpoint  {protocol} {}{}",
                endpoint.url,
                only.unwrap_or_default()
            );
        }
    }
    text
}
