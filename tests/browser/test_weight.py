"""What the first page costs somebody who has never been here."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

MOST_BYTES = 120_000
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 500);
})"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_page_is_light_and_stands_still(town, visit, width):
    visitor = visit(town, width=width)
    addresses, weights = {}, {}
    network = visitor.page.context.new_cdp_session(visitor.page)
    network.on("Network.responseReceived", lambda e: addresses.update({e["requestId"]: e["response"]["url"]}))
    network.on("Network.loadingFinished", lambda e: weights.update({e["requestId"]: e["encodedDataLength"]}))
    network.send("Network.enable")
    visitor.page.goto("/", wait_until="networkidle")
    bill = {addresses[request]: int(weight) for request, weight in weights.items()}
    assert len(bill) >= 8, bill
    assert sum(bill.values()) <= MOST_BYTES, bill
    assert visitor.page.evaluate(SHIFTS) < 0.01
    visitor.look()
