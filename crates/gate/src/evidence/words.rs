//! Errors on the way to a server, in words for people.
//!
//! Libraries write their errors for programmers. Each kind that can come from below the door has
//! its words here. For an unknown one, the message only says that the connection broke.

use std::error::Error;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use crate::route::proxy::{Proxy, ProxySource, Route};
use crate::types::Timestamp;

/// The destination of a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    /// The host, as written in the URL
    pub(super) host: &'a str,
    /// Its port
    pub(super) port: u16,
    /// The scheme
    pub(super) scheme: &'a str,
    /// The route to the host
    pub(super) route: &'a Route,
}

/// The text of a library's error if the name of a host was not found.
const NO_NAME: &str = "failed to lookup address information";

/// The words for an unknown error.
const BROKE: &str = "the connection broke";

impl Destination<'_> {
    /// Describes the error of a question. `connecting` is true if it failed before the question
    /// could be put.
    pub(super) fn words(&self, error: &(dyn Error + 'static), connecting: bool) -> String {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(words) = self.known(cause, connecting) {
                return words;
            }
            next = deeper(cause);
        }
        BROKE.to_owned()
    }

    fn known(&self, cause: &(dyn Error + 'static), connecting: bool) -> Option<String> {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(self.tls(error));
        }
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            return http2(error).map(ToOwned::to_owned);
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return http1(error).map(ToOwned::to_owned);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return self.io(error, connecting);
        }
        // These two have no name outside their library.
        let text = cause.to_string();
        let Route::Through(proxy) = self.route else { return None };
        if let Some(what) = text.strip_prefix("tunnel error: ") {
            return self.tunnel(what, proxy);
        }
        text.strip_prefix("SOCKS error: ").map(|what| self.socks(what, proxy))
    }

    fn io(&self, error: &io::Error, connecting: bool) -> Option<String> {
        let at_proxy = |what: &str| match self.route {
            Route::Through(proxy) if connecting => {
                format!("the proxy {proxy} cannot be reached: {what}")
            }
            _ => what.to_owned(),
        };
        if error.raw_os_error().is_some() {
            return Some(at_proxy(&crate::sys::plain(error)));
        }
        let text = error.to_string();
        if let Some(why) = text.strip_prefix(NO_NAME) {
            let why = why.trim_start_matches(": ");
            return Some(match self.route {
                Route::Through(proxy) => {
                    format!("the name of the proxy {proxy} cannot be looked up: {why}")
                }
                _ => format!("the name {} cannot be looked up: {why}", self.host),
            });
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof if connecting => Some(
                "the server ended the connection in the middle of the TLS handshake".to_owned(),
            ),
            io::ErrorKind::UnexpectedEof => {
                Some("the server ended the connection in the middle of its answer".to_owned())
            }
            // TLS's own error is also inside such an error, and says more.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                if !error.get_ref().is_some_and(|it| it.is::<rustls::Error>()) =>
            {
                Some("the server's answer is not HTTP".to_owned())
            }
            _ => None,
        }
    }

    fn tunnel(&self, what: &str, proxy: &Proxy) -> Option<String> {
        let Self { host, port, .. } = self;
        Some(match what {
            "proxy authorization required" => wants_login(proxy),
            "unsuccessful" => match proxy.named_by() {
                ProxySource::Apt => format!(
                    "the proxy {proxy} does not connect to {host}:{port} for us (CONNECT): allow it there (apt-cacher-ng: PassThroughPattern), or bypass the proxy (Acquire::https::Proxy::{host} \"DIRECT\")"
                ),
                ProxySource::Policy => format!(
                    "the proxy {proxy} does not connect to {host}:{port} for us (CONNECT): allow it there"
                ),
            },
            "unexpected end of file" => {
                format!("the proxy {proxy} ended the connection without an answer")
            }
            "proxy response headers too long" => {
                format!("the proxy {proxy} gave an answer that is too long")
            }
            // The error behind it says more.
            _ => return None,
        })
    }

    fn socks(&self, what: &str, proxy: &Proxy) -> String {
        let Self { host, port, .. } = self;
        let why = match what {
            "failed to create underlying connection" => {
                return format!("the proxy {proxy} cannot be reached");
            }
            "credentials not accepted"
            | "server does not support user/pass authentication"
            | "server implements authentication incorrectly" => {
                return match proxy.named_by() {
                    ProxySource::Apt => {
                        format!("the proxy {proxy} rejects the login (SOCKS): see apt_auth.conf(5)")
                    }
                    ProxySource::Policy => format!(
                        "the proxy {proxy} accepts no login (SOCKS), so it cannot keep rebuilders apart: Tor does"
                    ),
                };
            }
            "connection not allowed" => "not allowed",
            "network unreachable" => "network unreachable",
            "host unreachable" => "host unreachable",
            "connection refused" => "connection refused",
            "ttl expired" => "timed out",
            "general server failure" => "general failure",
            "io error during SOCKS handshake" => {
                return format!("the proxy {proxy} ended the connection without an answer");
            }
            _ => return format!("the proxy {proxy} gave no usable answer (SOCKS)"),
        };
        format!("the proxy {proxy} cannot connect to {host}:{port}: {why} (SOCKS)")
    }

    fn tls(&self, error: &rustls::Error) -> String {
        use rustls::Error as E;
        let versions = "the server supports neither TLS 1.2 nor TLS 1.3";
        let words = match error {
            E::InvalidCertificate(error) => return self.certificate(error),
            E::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion => versions,
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                    "the server supports no cipher that is strong enough (TLS)"
                }
                AlertDescription::UnrecognisedName => {
                    return format!("the server does not have the name {} (TLS)", self.host);
                }
                AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
                    "the server requires a client certificate (TLS)"
                }
                _ => "the server ended the TLS handshake",
            },
            E::PeerIncompatible(_) => versions,
            E::InvalidMessage(_) => {
                "the answer is not TLS: this port may be for http and not for https"
            }
            E::DecryptError | E::PeerSentOversizedRecord => "damaged TLS data",
            _ => "the server violates TLS",
        };
        words.to_owned()
    }

    fn certificate(&self, error: &CertificateError) -> String {
        use CertificateError as E;
        let host = self.host;
        let words = match error {
            E::ExpiredContext { not_after, .. } => {
                return format!("the server's certificate expired on {}", day(*not_after));
            }
            E::NotValidYetContext { not_before, .. } => {
                return format!(
                    "the server's certificate is not valid before {}: is this machine's clock right?",
                    day(*not_before)
                );
            }
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                return format!("the server's certificate is not for the name {host}");
            }
            E::Expired => "the server's certificate has expired",
            E::NotValidYet => "the server's certificate is not valid yet",
            E::UnknownIssuer => {
                "the server's certificate is from an unknown authority (add it to \"authorities\" under [network])"
            }
            E::BadSignature => {
                "the trusted authority of that name did not sign the server's certificate"
            }
            E::Revoked => "the server's certificate was revoked",
            E::BadEncoding => "the server's certificate cannot be read",
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
                "the certificate is not for a server"
            }
            E::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => {
                    "the server's certificate is an authority's: add this certificate to \"authorities\" under [network], or give the server its own"
                }
                Some(webpki::Error::UnsupportedCertVersion) => {
                    "the server's certificate is too old (X.509 before version 3)"
                }
                _ => "the server's certificate is not acceptable",
            },
            _ => "the server's certificate is not acceptable",
        };
        words.to_owned()
    }

    /// Describes a status that a proxy, or the server behind it, gave. Returns nothing if the
    /// status is certainly the server's own.
    pub(super) fn status(&self, status: u16) -> Option<String> {
        let Route::Through(proxy) = self.route else { return None };
        // Over TLS the proxy cannot change the answer.
        if self.scheme == "https" || proxy.kind() == crate::route::proxy::ProxyKind::Socks {
            return None;
        }
        let host = self.host;
        match status {
            407 => Some(wants_login(proxy)),
            403 | 502..=504 if proxy.named_by() == ProxySource::Policy => Some(format!(
                "the proxy {proxy}, or the server behind it, gave no usable answer (HTTP {status}): allow {host} there"
            )),
            403 | 502..=504 => Some(format!(
                "the proxy {proxy}, or the server behind it, gave no usable answer (HTTP {status}): allow {host} there, or bypass the proxy (Acquire::http::Proxy::{host} \"DIRECT\")"
            )),
            _ => None,
        }
    }
}

fn wants_login(proxy: &Proxy) -> String {
    let had = match proxy.login() {
        Some(_) => "another login",
        None => "a login",
    };
    format!("the proxy {proxy} requires {had} (HTTP 407): see apt_auth.conf(5)")
}

fn http1(error: &hyper::Error) -> Option<&'static str> {
    Some(match () {
        () if error.is_incomplete_message() => {
            "the server ended the connection before its answer was complete"
        }
        // The library tells only servers which of the two it is.
        () if error.is_parse() && error.to_string().contains("too large") => {
            "the headers of the answer are too long"
        }
        () if error.is_parse() => "the server's answer is not HTTP",
        () if error.is_canceled() || error.is_closed() => "the connection ended",
        // The error behind it says more.
        () => return None,
    })
}

fn http2(error: &h2::Error) -> Option<&'static str> {
    use h2::Reason;
    if error.is_io() {
        return None;
    }
    Some(match error.reason() {
        Some(Reason::NO_ERROR) => "the server is shutting down (HTTP/2)",
        Some(Reason::REFUSED_STREAM) => "the server accepts no more requests now (HTTP/2)",
        Some(Reason::ENHANCE_YOUR_CALM) => "the server received too many requests (HTTP/2)",
        Some(Reason::INTERNAL_ERROR) => "the server reports an internal error (HTTP/2)",
        Some(Reason::HTTP_1_1_REQUIRED) => "the server requires HTTP/1.1 (HTTP/2)",
        _ if error.is_library() => "the server violates HTTP/2",
        _ => "the server ended the exchange (HTTP/2)",
    })
}

/// Returns the next cause. The list of causes skips an error wrapped in one of the system's.
fn deeper<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    cause.source()
}

/// Returns true when the other side ended a connection, or had ended it before, without a byte of
/// an answer. On a reused connection, this says nothing about the question.
pub(super) fn is_unanswered(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
                return true;
            }
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
            if matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe) {
                return true;
            }
        }
        next = deeper(cause);
    }
    false
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix(seconds).map_or_else(|_| "a distant day".to_owned(), Timestamp::date)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::{OtherError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    const DIRECT: Destination<'_> =
        Destination { host: "a.example", port: 443, scheme: "https", route: &Route::Direct };

    /// Wraps an error as the libraries do: in an error of the system's, in one of their own.
    fn wrapped(error: impl Error + Send + Sync + 'static) -> io::Error {
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn no_error_of_http_2_is_shown_as_the_library_writes_it() {
        use h2::Reason;
        for (reason, expected) in [
            (Reason::NO_ERROR, "the server is shutting down (HTTP/2)"),
            (Reason::REFUSED_STREAM, "the server accepts no more requests now (HTTP/2)"),
            (Reason::ENHANCE_YOUR_CALM, "the server received too many requests (HTTP/2)"),
            (Reason::INTERNAL_ERROR, "the server reports an internal error (HTTP/2)"),
            (Reason::HTTP_1_1_REQUIRED, "the server requires HTTP/1.1 (HTTP/2)"),
            (Reason::PROTOCOL_ERROR, "the server ended the exchange (HTTP/2)"),
            (Reason::FRAME_SIZE_ERROR, "the server ended the exchange (HTTP/2)"),
            (Reason::from(4711), "the server ended the exchange (HTTP/2)"),
        ] {
            let error = io::Error::other(h2::Error::from(reason));
            assert_eq!(DIRECT.words(&error, false), expected, "{reason:?}");
        }
    }

    #[test]
    fn no_error_of_tls_is_shown_as_the_library_writes_it() {
        use rustls::Error as E;
        let other = |error| CertificateError::Other(OtherError(Arc::new(error)));
        let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
        let bad = "the server's certificate is not acceptable";
        for (error, expected) in [
            (CertificateError::Expired, "the server's certificate has expired"),
            (
                CertificateError::ExpiredContext { time: day(9), not_after: day(1) },
                "the server's certificate expired on 1970-01-02",
            ),
            (CertificateError::NotValidYet, "the server's certificate is not valid yet"),
            (
                CertificateError::NotValidForName,
                "the server's certificate is not for the name a.example",
            ),
            (CertificateError::Revoked, "the server's certificate was revoked"),
            (CertificateError::BadEncoding, "the server's certificate cannot be read"),
            (CertificateError::InvalidPurpose, "the certificate is not for a server"),
            (CertificateError::UnhandledCriticalExtension, bad),
            (CertificateError::ApplicationVerificationFailure, bad),
            (
                other(webpki::Error::UnsupportedCertVersion),
                "the server's certificate is too old (X.509 before version 3)",
            ),
            (other(webpki::Error::MaximumPathBuildCallsExceeded), bad),
        ] {
            let error = wrapped(E::InvalidCertificate(error));
            assert_eq!(DIRECT.words(&error, true), expected);
        }
        let authority = other(webpki::Error::CaUsedAsEndEntity);
        let words = DIRECT.words(&wrapped(E::InvalidCertificate(authority)), true);
        assert!(
            words.starts_with("the server's certificate is an authority's: add this"),
            "{words}"
        );
        let versions = "the server supports neither TLS 1.2 nor TLS 1.3";
        for (error, expected) in [
            (E::PeerIncompatible(PeerIncompatible::Tls12NotOffered), versions),
            (E::PeerMisbehaved(PeerMisbehaved::MissingKeyShare), "the server violates TLS"),
            (E::DecryptError, "damaged TLS data"),
            (
                E::AlertReceived(AlertDescription::CertificateRequired),
                "the server requires a client certificate (TLS)",
            ),
            (E::General("BadThing { x: 1 }".to_owned()), "the server violates TLS"),
        ] {
            assert_eq!(DIRECT.words(&wrapped(error), true), expected);
        }
    }

    #[test]
    fn of_an_error_that_nobody_knows_no_more_is_said() {
        #[derive(Debug, thiserror::Error)]
        #[error("Other(Kind {{ x: 1 }})")]
        struct Unknown;
        assert_eq!(DIRECT.words(&Unknown, false), BROKE);
        assert_eq!(DIRECT.words(&io::Error::other(Unknown), true), BROKE);
        // Words of a proxy mean nothing if there is none.
        #[derive(Debug, thiserror::Error)]
        #[error("tunnel error: unsuccessful")]
        struct Tunnel;
        assert_eq!(DIRECT.words(&Tunnel, true), BROKE);
    }
}
