"""What a customer has ahead."""

from api import schemas
from api.bookings import FullBooking, whole
from api.calls import Calls, caller
from domain import lookups
from domain.api_keys import Scope
from models import Role

bp = Calls("api_customer", __name__, description="What a customer has ahead")


@bp.call(
    "GET",
    "/customer/ongoing-services",
    Role.CUSTOMER,
    scope=Scope.BOOKINGS_READ,
    query=schemas.Cursor,
    gives=schemas.page_of(FullBooking),
)
def ongoing_services(wanted):
    """List what is asked for, agreed or under way, the next first."""
    page = lookups.live_page(caller(), wanted.get("cursor"), wanted["limit"])
    return {"items": [whole(one, caller()) for one in page], "next_cursor": page.next_cursor}
