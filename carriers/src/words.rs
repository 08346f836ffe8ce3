//! What carriers of Korea say in words alone: no system has a code for a parcel on its way back.

/// The word by which a parcel on its way back is known. The word for goods that a customer returns (반품) is another
/// one, and no sign of a failed delivery.
const SENT_BACK: &str = "반송";
/// The word by which a sending back is called off.
const CALLED_OFF: &str = "취소";

/// The words say that the parcel goes back to its sender.
pub(crate) fn is_sent_back(words: &str) -> bool {
    words.contains(SENT_BACK) && !words.contains(CALLED_OFF)
}
