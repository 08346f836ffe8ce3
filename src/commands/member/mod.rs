//! `member …`, one file a subject.

mod block;
mod erase;
mod points;
mod show;
mod token;
mod why;

use forebay_schemas::MemberId;
use url::Url;

use crate::cli::{ApiArgs, MemberCommand};
use crate::commands::people::Api;
use crate::exit::Exit;

pub(crate) async fn run(args: &ApiArgs, command: MemberCommand) -> Result<(), Exit> {
    match command {
        MemberCommand::Show { member, json } => show::run(&Api::new(args)?, &member, json).await,
        MemberCommand::Why(asked) => why::run(&Api::new(args)?, asked).await,
        MemberCommand::Block(asked) => block::run(&Api::new(args)?, asked, "block").await,
        MemberCommand::Unblock(asked) => block::run(&Api::new(args)?, asked, "unblock").await,
        MemberCommand::Points(asked) => points::points(&Api::new(args)?, asked).await,
        MemberCommand::Ledger(asked) => points::ledger(&Api::new(args)?, asked).await,
        MemberCommand::Adjust(asked) => points::adjust(&Api::new(args)?, asked).await,
        MemberCommand::Token(asked) => token::run(&asked),
        MemberCommand::Erase(asked) => erase::run(&Api::new(args)?, asked).await,
    }
}

/// The path of what concerns a member, whose id may hold any sign.
pub(crate) fn path(member: &str, what: &str) -> Result<String, Exit> {
    let member = MemberId::new(member).map_err(|error| Exit::failed(format!("MEMBER: {error}")))?;
    let mut url = Url::parse("http://api/").map_err(Exit::failed)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(["v1", "members", member.as_str()]);
        segments.extend(Some(what).filter(|what| !what.is_empty()));
    }
    Ok(url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_sign_an_id_holds_it_stays_within_its_place() {
        assert_eq!(path("m-1", "erase").unwrap(), "/v1/members/m-1/erase");
        assert_eq!(path("m-1", "").unwrap(), "/v1/members/m-1");
        assert_eq!(path("a/b?c#d%", "erase").unwrap(), "/v1/members/a%2Fb%3Fc%23d%25/erase");
        assert!(path("a b", "erase").is_err());
    }
}
