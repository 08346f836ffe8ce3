//! Events that many tests send.

use serde_json::json;

/// A paid order of a guest, whose number is in each of its ids.
pub(crate) fn order(n: usize) -> String {
    let data = json!({
        "order_id": format!("O-{n}"), "currency": "KRW", "amount_minor": 1, "paid_at": "2026-11-20T00:00:00Z",
    });
    json!({ "specversion": "1.0", "id": format!("order-{n}"), "source": "/s", "type": "order.paid.v1", "data": data })
        .to_string()
}

/// Orders of these numbers.
pub(crate) fn orders(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(order).collect()
}
