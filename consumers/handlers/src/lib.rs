//! What each queue's messages do. Handlers never publish: what follows is written with their effect.

mod answers;
mod asking;
mod codes;
pub mod dead_letters;
mod halving;
pub mod notices;
pub mod pushes;
pub mod results;
pub mod returns;
pub mod revival;
pub mod rewards;
pub mod shop;
pub mod tracking;

pub use dead_letters::Archive;
pub use notices::{Notices, Sinks};
pub use pushes::Pushes;
pub use results::Results;
pub use returns::Returns;
pub use revival::Reviving;
pub use rewards::Rewards;
pub use shop::{ShopApi, ShopOptions};
pub use tracking::Tracking;
