//! The ways in which servers deviate from RFC 7591 and RFC 7592, each as a value.

/// What is done with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// POST at the registration endpoint.
    Register,
    /// GET of one client.
    Read,
    /// PUT of one client.
    Update,
    /// DELETE of one client.
    Delete,
}

/// A way of answering that some server has.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Short name, for tables.
    pub name: &'static str,
    /// Where it was seen.
    pub seen_at: &'static str,
    /// Settings that its provider object needs, as YAML.
    pub provider: &'static str,
    /// How it deviates.
    pub quirks: &'static [Quirk],
}

/// One deviation. Bodies and values are JSON.
#[derive(Clone, Copy, Debug)]
pub enum Quirk {
    /// Status of a success.
    Success(Operation, u16),
    /// Status and body for a wrong token, and for a client that is not there.
    Unauthorized(u16, &'static str),
    /// The operation is not offered: this is the answer to it.
    Absent(Operation, u16, &'static str),
    /// A request with this member gets this answer.
    Refuses(Operation, &'static str, u16, &'static str),
    /// A request without this member gets this answer.
    Needs(Operation, &'static str, u16, &'static str),
    /// The answer lacks these members.
    Omits(Operation, &'static [&'static str]),
    /// The answer has this value of a member.
    States(Operation, &'static str, &'static str),
    /// The answer has lists of one where strings belong.
    Lists(Operation, &'static [&'static str]),
    /// The answer has strings where lists of one belong.
    Unlists(Operation, &'static [&'static str]),
    /// The operation issues a new secret.
    IssuesSecret(Operation),
    /// The operation issues a new registration access token.
    IssuesToken(Operation),
    /// What is asked of this member is replaced by a value.
    Stores(&'static str, &'static str),
    /// These members are not stored.
    Ignores(&'static [&'static str]),
    /// An update keeps what it does not name.
    Merges,
    /// In an update, these values count as not named.
    Overlooks(&'static [&'static str]),
    /// A request in which any member has this value gets this answer.
    RefusesValue(Operation, &'static str, u16, &'static str),
    /// Path and query of one client.
    At(&'static str),
    /// The address of a client is told without the origin.
    Relative,
    /// Media type of every answer.
    Labelled(&'static str),
    /// A request in which this member is an empty list gets this answer.
    RefusesEmpty(Operation, &'static str, u16, &'static str),
    /// Names of clients are unique: a registration with one that exists gets this answer.
    UniqueNames(u16, &'static str),
    /// Registrations need this value of the `Authorization` header, and clients are managed with it. Nobody gets a token of a client's own.
    Administered(&'static str),
    /// A registration needs an access token with this scope, and uses it up. [`OPERATOR`] buys them.
    Bought(&'static str),
    /// A deletion is answered with 204, whether there is such a client or not.
    DeletesAnything,
    /// The metadata does not name the registration endpoint, which has this path.
    Hidden(&'static str),
    /// Clients authenticate in the form of the request only, whatever they were registered with.
    FormOnly,
    /// The same in the `Authorization` header only.
    HeaderOnly,
    /// Nobody has to authenticate.
    AcceptsAnybody,
    /// A registration says when the client was issued.
    Dates,
    /// A registration is answered with the client that the first one made; with when it was issued, if that is stated.
    Repeats(Option<u64>),
}

/// Client that buys access tokens for registrations.
pub const OPERATOR: (&str, &str) = ("operator", "secret-of-the-operator");
