//! External identities: by which (issuer, subject) a user signs in, and which issuers a tree trusts.

use chrono::{DateTime, Utc};
use decision::name::{NodeName, UserName};
use serde_json::json;
use service::{change::Change, fields::Etag};

use crate::{assign, status::Error, store};

/// A user has at most so many.
pub(crate) const MOST_OF_A_USER: u64 = 20;

/// Who vouches for identities, in one tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issuer {
    pub(crate) uri: IssuerUri,
    /// The root of the tree.
    pub(crate) organization: NodeName,
    pub(crate) create_time: DateTime<Utc>,
}

/// By what a user signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityKey {
    pub(crate) issuer: IssuerUri,
    pub(crate) subject: Subject,
}

/// The same, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) key: IdentityKey,
    pub(crate) user: UserName,
    pub(crate) create_time: DateTime<Utc>,
}

/// An absolute URI, compared as bytes: `https://login.acme.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IssuerUri(String);

/// What an issuer calls a user: `248289761001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject(String);

impl IssuerUri {
    /// The longest, in bytes.
    pub(crate) const LONGEST: usize = 500;

    /// A scheme, a colon, and something of the characters that a URI is made of (RFC 3986).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let in_uri = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
        let good = text.len() <= Self::LONGEST && starts && scheme.chars().all(in_scheme) && !rest.is_empty() && rest.chars().all(in_uri);
        good.then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// The longest, in bytes (OpenID Connect Core, 2).
    pub(crate) const LONGEST: usize = 255;

    /// ASCII that can be seen, also with spaces inside.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let good =
            (1..=Self::LONGEST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
        good.then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Registers an issuer for the tree of a root.
pub(crate) async fn register(change: &mut Change, uri: IssuerUri, organization: NodeName) -> Result<Issuer, Error> {
    let root = assign::live_organization(change, &organization).await?;
    if root.parent.is_some() {
        return Err(Error::Field {
            path: "issuer.organization",
            description: "a root organization: an issuer is for a whole tree".to_owned(),
        });
    }
    let issuer = Issuer { uri, organization, create_time: change.now() };
    if !store::identity::insert_issuer(change.connection(), &issuer).await? {
        return Err(Error::AlreadyExists { name: issuer.uri.as_str().to_owned() });
    }
    let after = json!({ "issuer": issuer.uri.as_str() });
    change.audit("issuers.register", issuer.organization.as_str(), None, Some(after));
    Ok(issuer)
}

/// Ends a registration.
pub(crate) async fn unregister(change: &mut Change, uri: &IssuerUri) -> Result<Issuer, Error> {
    let issuer = store::identity::issuer(change.connection(), uri).await?.ok_or_else(|| Error::not_found(uri.as_str()))?;
    store::identity::delete_issuer(change.connection(), uri).await?;
    change.audit("issuers.unregister", issuer.organization.as_str(), Some(json!({ "issuer": uri.as_str() })), None);
    Ok(issuer)
}

/// Links an identity to a user. Others than the platform link only those of issuers of the tree. Decisions are not made from identities, so there
/// is no record.
pub(crate) async fn link(change: &mut Change, user: &UserName, key: IdentityKey) -> Result<Identity, Error> {
    let db = change.connection();
    let found = store::user::find_for_update(db, user).await?.ok_or_else(|| Error::not_found(user.as_str()))?;
    found.expect(Etag::ANY)?;
    if !change.granted().platform {
        let root = match &found.managed_by {
            Some(home) => Some(assign::live_organization(change, home).await?.root),
            None => None,
        };
        let issuer = store::identity::issuer(db, &key.issuer).await?;
        if root.is_none() || issuer.map(|issuer| issuer.organization) != root {
            return Err(Error::IssuerUnknown { issuer: key.issuer.as_str().to_owned() });
        }
    }
    if store::identity::of_user(db, user).await?.len() as u64 >= MOST_OF_A_USER {
        return Err(Error::LimitReached { name: user.to_string(), what: "identities", limit: MOST_OF_A_USER });
    }
    let identity = Identity { key, user: user.clone(), create_time: change.now() };
    if !store::identity::insert(db, &identity).await? {
        return Err(Error::IdentityTaken);
    }
    change.audit("identities.link", user.as_str(), None, Some(identity.audited()));
    Ok(identity)
}

/// Unlinks an identity from a user who has it.
pub(crate) async fn unlink(change: &mut Change, user: &UserName, key: &IdentityKey) -> Result<Identity, Error> {
    let found = store::identity::find(change.connection(), key).await?.filter(|identity| identity.user == *user);
    let identity = found.ok_or_else(|| Error::not_found(user.as_str()))?;
    store::identity::delete(change.connection(), key).await?;
    change.audit("identities.unlink", user.as_str(), Some(identity.audited()), None);
    Ok(identity)
}

impl Identity {
    /// For the audit trail: without the subject, which is the user's own as an e-mail address is.
    fn audited(&self) -> serde_json::Value {
        json!({ "issuer": self.key.issuer.as_str() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_absolute_uri() {
        for good in ["https://login.acme.example", "https://accounts.example/realms/a?x=1", "urn:example:idp", "spiffe://acme/ns"] {
            assert!(IssuerUri::parse(good).is_some(), "{good}");
        }
        for bad in ["", "login.acme.example", "https:", "://x", "1a:b", "https://a b", "https://ä.example", "https://a\u{202e}b"] {
            assert!(IssuerUri::parse(bad).is_none(), "{bad}");
        }
        assert!(IssuerUri::parse(&format!("https://{}", "a".repeat(500))).is_none());
    }

    #[test]
    fn a_subject_is_1_to_255_characters_that_can_be_seen() {
        for good in ["248289761001", "auth0|5f7c", "Ann Lee", &"x".repeat(255)] {
            assert!(Subject::parse(good).is_some(), "{good}");
        }
        for bad in ["", " a", "a\n", "ä", &"x".repeat(256)] {
            assert!(Subject::parse(bad).is_none(), "{bad}");
        }
    }
}
