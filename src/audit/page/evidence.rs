//! The details of one row of the page: everything that a package's state rests on.

use super::confirming;
use super::markup::Markup;
use crate::audit::{HashSource, PackageState, RecordedPackage};
use crate::policy::Standing;
use crate::report::{self, RecordedClaim};
use crate::types::RebuilderName;

/// Writes the cause of the state in a few words, as the line that is seen first.
pub(super) fn why(page: &mut Markup, package: &RecordedPackage) {
    if let Some(exception) = &package.exception {
        page.fill("{}: {}", &[&exception.expires.until(), &exception.reason]);
    } else if package.state == PackageState::Confirmed {
        let by: Vec<&str> = confirming(&package.rebuilders).map(RebuilderName::as_str).collect();
        page.fill("by {}", &[&by.join(", ")]);
    } else if let Some(reason) = &package.reason {
        page.text(&reason.text);
    }
    // Where that is the state, the reader has seen it already.
    if !package.conflicts.is_empty() && package.state != PackageState::Conflict {
        page.raw(" <strong class=\"alarm\">a different file was signed under this name</strong>");
    }
    if package.unfinished {
        page.raw(" <em>not completely installed</em>");
    }
}

/// Writes everything else, which is seen when the row is opened.
pub(super) fn details(page: &mut Markup, package: &RecordedPackage) {
    page.fill("<dl><dt>Source</dt><dd>{}</dd><dt>SHA-256</dt><dd>", &[&package.source]);
    match (package.sha256, package.sha256_from) {
        (Some(sha256), from) => {
            let from = match from {
                Some(HashSource::Receipt) => "computed when the file was accepted",
                Some(HashSource::Index) => "from a signed index of apt",
                Some(HashSource::Statement) => "from a signed statement about the image",
                None => "",
            };
            page.fill("<code>{}</code> <small>{}</small></dd>", &[&sha256, &from]);
        }
        (None, _) => drop(page.raw("unknown</dd>")),
    }
    if let (Some(time), basis) = (package.admitted, package.basis.as_deref()) {
        page.fill("<dt>Accepted</dt><dd>{}, by {}</dd>", &[&time, &basis.unwrap_or_default()]);
    }
    if let Some(reason) = &package.reason {
        let title = if package.exception.is_some() { "Otherwise" } else { "Reason" };
        page.fill(
            "<dt>{}</dt><dd>{} <small>({})</small></dd>",
            &[&title, &reason.text, &reason.code],
        );
    }
    if let Some(it) = &package.exception {
        page.fill(
            "<dt>Exception</dt><dd>{}, {}, {}</dd>",
            &[&it.reason, &it.expires.until(), &it.called()],
        );
    }
    if let Some(threshold) = package.threshold {
        let rebuilders = if threshold == 1 { "rebuilder" } else { "rebuilders" };
        let rule = package.rule.as_deref().unwrap_or("the default");
        page.fill("<dt>Needed</dt><dd>{} {}", &[&threshold, &rebuilders]);
        for (group, it) in &package.groups {
            page.fill(", {} from group {}", &[&it.threshold, group]);
        }
        page.fill(", by {}</dd>", &[&rule]);
    }
    page.raw("</dl>");
    if !package.rebuilders.is_empty() {
        rebuilders(page, package);
    }
    claims(page, "Signatures for this file", &package.claims);
    claims(page, "Signatures for a different file under this name", &package.conflicts);
}

fn rebuilders(page: &mut Markup, package: &RecordedPackage) {
    page.raw("<h3>Answer of each rebuilder</h3><dl>");
    for (name, standing) in &package.rebuilders {
        page.fill("<dt>{}</dt><dd>", &[name]);
        match standing {
            Standing::Says { status, more: Some(more) } => {
                page.fill("{}, see ", &[status]).link(more);
            }
            other => {
                page.text(&report::standing(other));
            }
        }
        page.raw("</dd>");
    }
    page.raw("</dl>");
}

fn claims(page: &mut Markup, title: &str, claims: &[RecordedClaim]) {
    if claims.is_empty() {
        return;
    }
    page.fill("<h3>{}</h3>", &[&title]);
    for RecordedClaim { rebuilder, key, sha256, attestation, .. } in claims {
        page.fill(
            "<dl class=\"claim\"><dt>Rebuilder</dt><dd>{}</dd><dt>Key</dt><dd><code>{}</code></dd>\
             <dt>Result</dt><dd><code>{}</code></dd><dt>Attestation</dt><dd><code>{}</code></dd></dl>",
            &[rebuilder, key, sha256, attestation],
        );
    }
}
