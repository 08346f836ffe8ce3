//! Waiting for lapin without trusting it to answer.

use std::time::Duration;

use lapin::{Channel, ChannelState, ErrorKind};

/// How often a request that got no answer yet asks whether its channel is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for a request on a channel, for as long as the channel lives. lapin forgets requests that reach it while
/// the connection goes away: their futures stay pending for ever.
pub(crate) async fn while_open<T>(
    channel: &Channel,
    request: impl Future<Output = lapin::Result<T>>,
) -> lapin::Result<T> {
    tokio::pin!(request);
    loop {
        tokio::select! {
            biased;
            answer = &mut request => return answer,
            () = tokio::time::sleep(LOOK) => {
                if !channel.status().connected() {
                    return Err(ErrorKind::InvalidChannelState(ChannelState::Closed, "waiting").into());
                }
            }
        }
    }
}
