//! The queue contract on RabbitMQ (lapin).
