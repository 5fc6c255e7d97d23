//! The details of one row of the page: everything that a package's state rests on.

use super::confirming;
use super::markup::Markup;
use crate::audit::{RecordedPackage, Source, State};
use crate::policy::Standing;
use crate::report::{self, RecordedClaim};

/// Writes the cause of the state in a few words, as the line that is seen first.
pub(super) fn why(page: &mut Markup, package: &RecordedPackage) {
    if let Some(exception) = &package.exception {
        page.raw("until ").text(&exception.expires.date()).raw(": ").text(&exception.reason);
    } else if package.state == State::Confirmed {
        let by: Vec<&str> = confirming(package).map(crate::types::RebuilderName::as_str).collect();
        page.raw("by ").text(&by.join(", "));
    } else if let Some(reason) = &package.reason {
        page.text(&reason.text);
    }
    // Where that is the state, the reader has seen it already.
    if !package.conflicts.is_empty() && package.state != State::Conflict {
        page.raw(" <strong class=\"alarm\">a different file was signed under this name</strong>");
    }
    if package.unfinished {
        page.raw(" <em>not completely installed</em>");
    }
}

/// Writes everything else, which is seen when the row is opened.
pub(super) fn details(page: &mut Markup, package: &RecordedPackage) {
    page.raw("<dl>");
    item(page, "Source", |page| {
        page.text(&package.source);
    });
    item(page, "SHA-256", |page| file(page, package));
    if let Some(time) = package.admitted {
        item(page, "Accepted", |page| {
            page.text(&time.to_string()).raw(", by ");
            page.text(package.basis.as_deref().unwrap_or_default());
        });
    }
    if let Some(reason) = &package.reason {
        let title = if package.exception.is_some() { "Otherwise" } else { "Reason" };
        item(page, title, |page| {
            page.text(&reason.text).raw(" <small>(").raw(reason.code).raw(")</small>");
        });
    }
    if let Some(exception) = &package.exception {
        item(page, "Exception", |page| {
            page.text(&exception.reason).raw(", until ").text(&exception.expires.date());
            page.raw(", in ").text(&exception.place);
        });
    }
    if let Some(threshold) = package.threshold {
        item(page, "Needed", |page| {
            page.text(&threshold.to_string());
            page.raw(if threshold == 1 { " rebuilder, by " } else { " rebuilders, by " });
            page.text(package.rule.as_deref().unwrap_or("the default"));
        });
    }
    page.raw("</dl>");
    if !package.rebuilders.is_empty() {
        rebuilders(page, package);
    }
    claims(page, "Signatures for this file", &package.claims);
    claims(page, "Signatures for a different file under this name", &package.conflicts);
}

fn item(page: &mut Markup, title: &str, write: impl FnOnce(&mut Markup)) {
    page.raw("<dt>").raw(title).raw("</dt><dd>");
    write(page);
    page.raw("</dd>");
}

fn file(page: &mut Markup, package: &RecordedPackage) {
    let Some(sha256) = package.sha256 else {
        page.raw("not known");
        return;
    };
    page.raw("<code>").text(&sha256.to_string()).raw("</code> <small>").raw(
        match package.sha256_from {
            Some(Source::Receipt) => "computed when the file was accepted",
            Some(Source::Index) => "from a signed index of apt",
            Some(Source::Statement) => "from a signed statement about the image",
            None => "",
        },
    );
    page.raw("</small>");
}

fn rebuilders(page: &mut Markup, package: &RecordedPackage) {
    page.raw("<h3>Answer of each rebuilder</h3><dl>");
    for (name, standing) in &package.rebuilders {
        page.raw("<dt>").text(name.as_str()).raw("</dt><dd>");
        match standing {
            Standing::Says { status, more: Some(more) } => {
                page.text(&status.to_string()).raw(", see ").link(more);
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
    page.raw("<h3>").raw(title).raw("</h3>");
    for claim in claims {
        page.raw("<dl class=\"claim\">");
        item(page, "Rebuilder", |page| {
            page.text(claim.rebuilder.as_str());
        });
        for (title, digest) in [
            ("Key", claim.key.clone()),
            ("Got", claim.sha256.to_string()),
            ("Attestation", claim.attestation.to_string()),
        ] {
            item(page, title, |page| {
                page.raw("<code>").text(&digest).raw("</code>");
            });
        }
        page.raw("</dl>");
    }
}
