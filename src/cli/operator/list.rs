//! `apt-quorum operator list`.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::Exit;
use super::super::args::OperatorList;
use super::super::output::{json, print};
use crate::config::{Config, Protocol};
use crate::types::OperatorName;

/// An operator as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a OperatorName,
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

pub(super) fn run(arguments: &OperatorList) -> Exit {
    let config = match super::super::config::load(&arguments.directory) {
        Ok((config, _)) => config,
        Err(exit) => return exit,
    };
    let operators: Vec<Listed<'_>> = list(&config);
    if arguments.json {
        let text = json(&serde_json::json!({ "schema": 1, "operators": operators }));
        return print(&text, Exit::Admitted);
    }
    print(&table(&operators), Exit::Admitted)
}

fn list(config: &Config) -> Vec<Listed<'_>> {
    let one = |(name, operator): (&'_ OperatorName, &'_ crate::config::Operator)| {
        let keys = config.policy.keys().iter().filter(|key| key.operator == *name);
        let endpoints = config.endpoints.iter().filter(|endpoint| endpoint.operator == *name);
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
            operator.file.display().to_string(),
        )
    };
    config
        .operators
        .iter()
        .map(|(name, operator)| {
            let (keys, endpoints, file) = one((name, operator));
            let accepts = config.policy.keys().accepted(name).iter().map(ToString::to_string);
            let (contact, accepts) = (operator.contact.as_deref(), accepts.collect());
            Listed { name, contact, file, keys, endpoints, accepts }
        })
        .collect()
}

/// The message where there is no operator.
pub(super) const NOBODY: &str =
    "There is no operator yet: nobody's word counts. See apt-quorum.toml(5).\n";

fn table(operators: &[Listed<'_>]) -> String {
    if operators.is_empty() {
        return NOBODY.to_owned();
    }
    let mut text = String::new();
    for operator in operators {
        let _ = writeln!(text, "{} ({})", operator.name, operator.file);
        if let Some(contact) = operator.contact {
            let _ = writeln!(text, "  contact   {}", crate::types::printable(contact));
        }
        for key in &operator.keys {
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
        for accepted in operator.accepts.iter().filter(|_| operator.accepts != ["links"]) {
            let _ = writeln!(text, "  accepts   {accepted}");
        }
        for endpoint in &operator.endpoints {
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
