//! Who an AWS principal is: the same person for CloudTrail, which tells of sign-ins, and for GuardDuty, which tells of
//! principals, so that both meet at one user.
//!
//! | type | user |
//! |---|---|
//! | `IAMUser` | the principal id (`AIDA…`) |
//! | `Root` | the principal id, which is the account's number |
//! | `AssumedRole`, `Role` | the session's name, after the colon of the principal id: whoever takes the role names the session after the person |
//! | `FederatedUser` | the name it was given, after the colon |
//! | `SAMLUser`, `WebIdentityUser` | the name that the identity provider wrote |
//! | `IdentityCenterUser`, `Unknown` | the id of the Identity Center user, else its name |
//! | `AWSService`, `AWSAccount` | nobody: a workload |
//!
//! A session of an instance, of a container or of an SDK's invention is nobody's either.

use std::borrow::Cow;

use super::text;

/// What a record says of a principal; what it does not say is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Principal<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) principal_id: Cow<'a, str>,
    pub(super) arn: Cow<'a, str>,
    pub(super) account_id: Cow<'a, str>,
    pub(super) user_name: Cow<'a, str>,
    /// Who stands behind a role's session, where the account demands to be told.
    pub(super) source_identity: Cow<'a, str>,
    /// Identity Center's id of the user.
    pub(super) directory_user_id: Cow<'a, str>,
}

/// Id and login of a person, either of them perhaps empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
}

impl<'a> Principal<'a> {
    /// `None` where the principal is a workload.
    pub(super) fn person(self) -> Option<Person<'a>> {
        let kind = self.kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "awsservice" | "awsaccount" => None,
            "iamuser" => Some(Person { id: self.principal_id, name: self.user_name }),
            "root" => Some(Person { id: first(self.principal_id, self.account_id), name: Cow::Borrowed("") }),
            "assumedrole" | "role" => self.of_session(),
            "federateduser" => {
                let name = first(after_colon(&self.principal_id), last_segment(&self.arn));
                Some(named(first(name, self.user_name)))
            }
            "samluser" => Some(named(first(self.user_name, after_colon(&self.principal_id)))),
            "webidentityuser" => self.of_web_identity(),
            _ => Some(self.of_directory()),
        }
    }

    fn of_session(self) -> Option<Person<'a>> {
        let session = first(after_colon(&self.principal_id), session_in(&self.arn));
        if !is_generated(&session) {
            return Some(named(session));
        }
        (!self.source_identity.is_empty()).then(|| named(self.source_identity))
    }

    /// Subjects of build pipelines and of Kubernetes are paths: `repo:…`, `system:serviceaccount:…`, `org/…`. Cognito
    /// writes as identity provider what is the pool of an application's own customers, who are not the account's users.
    fn of_web_identity(self) -> Option<Person<'a>> {
        let subject = match self.user_name.is_empty() {
            true => Cow::Owned(self.principal_id.rsplit(':').next().unwrap_or_default().to_owned()),
            false => self.user_name,
        };
        let is_path = subject.contains([':', '/']);
        let is_pool = self.principal_id.starts_with("cognito-identity.");
        (!is_path && !is_pool).then(|| named(subject))
    }

    fn of_directory(self) -> Person<'a> {
        let name = self.user_name;
        // In events of Identity Center before 2025 the principal id is that of the account.
        let is_account = self.principal_id.bytes().all(|byte| byte.is_ascii_digit());
        let principal_id = if is_account || !name.is_empty() { Cow::Borrowed("") } else { self.principal_id };
        Person { id: first(self.directory_user_id, principal_id), name }
    }
}

/// Whose login is all that is known of them.
fn named(name: Cow<'_, str>) -> Person<'_> {
    Person { id: text::fold_id(name.clone()), name }
}

fn first<'a>(one: Cow<'a, str>, other: Cow<'a, str>) -> Cow<'a, str> {
    if one.is_empty() { other } else { one }
}

fn part<'a>(text: &Cow<'a, str>, find: impl Fn(&str) -> Option<&str>) -> Cow<'a, str> {
    let found = match text {
        Cow::Borrowed(text) => find(text).map(Cow::Borrowed),
        Cow::Owned(text) => find(text).map(|found| Cow::Owned(found.to_owned())),
    };
    text::present(found.unwrap_or_default())
}

fn after_colon<'a>(principal_id: &Cow<'a, str>) -> Cow<'a, str> {
    part(principal_id, |id| id.split_once(':').map(|(_, after)| after))
}

fn last_segment<'a>(arn: &Cow<'a, str>) -> Cow<'a, str> {
    part(arn, |arn| arn.rsplit_once('/').map(|(_, last)| last))
}

/// `arn:aws:sts::account:assumed-role/role/session` → session.
fn session_in<'a>(arn: &Cow<'a, str>) -> Cow<'a, str> {
    part(arn, |arn| arn.split_once(":assumed-role/")?.1.rsplit_once('/').map(|(_, session)| session))
}

/// Is it the name of an instance, or one that an SDK has made up? Both have a number in them that is never twice the same.
fn is_generated(session: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["botocore-session-", "aws-sdk-", "aws-go-sdk-", "aws-cli-session-", "aws-cli-", "AWSCLI-Session"];
    let is_instance = |id: &str| matches!(id.len(), 8 | 17) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    session.strip_prefix("i-").is_some_and(is_instance)
        || PREFIXES.iter().any(|prefix| session.starts_with(prefix))
        || (session.len() >= 10 && session.bytes().all(|byte| byte.is_ascii_digit()))
        || (session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
