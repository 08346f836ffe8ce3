//! `member token`: a member's token from `forebay dev`, to try things out with.

use forebay_domain::{Clock as _, SystemClock};
use forebay_schemas::MemberId;
use secrecy::ExposeSecret as _;

use crate::cli::TokenArgs;
use crate::commands::people;
use crate::dev_issuer::DevIssuer;
use crate::exit::{CONFIGURATION, Exit};

pub(super) fn run(args: &TokenArgs) -> Result<(), Exit> {
    let member = MemberId::new(&args.member).map_err(|error| Exit::failed(format!("MEMBER: {error}")))?;
    let file = DevIssuer::file(&args.data);
    let issuer = DevIssuer::read(&file)?.ok_or_else(|| {
        let text = format!(
            "{} is not there; `forebay dev` makes it when it starts. Start it, or name its data file with --data",
            file.display()
        );
        Exit::new(CONFIGURATION, text)
    })?;
    let token = issuer.token(&member, SystemClock.now(), args.life.0);
    people::note("taken by this `forebay dev` and by nobody else");
    people::print(token.expose_secret())
}
