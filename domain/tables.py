"""Which columns leave the site in an export of everything, and which stay. A test wants every column decided on."""

SHOWN = {
    "api_keys": "id user_id name hint scopes created_at last_used_at expires_at revoked_at",
    "addresses": "id customer_id label line pincode created_at archived_at",
    "appeals": "id professional_id words created_at granted answer answered_by_id answered_at",
    "audit_entries": "id actor_id action subject_type subject_id detail address at",
    "blocked_pairs": "id customer_id professional_id by_id created_at",
    "booking_events": "id booking_id verb from_status to_status actor_id at reason cause",
    "booking_lines": "id booking_id kind label amount tax",
    "booking_offers": "booking_id professional_id position status created_at answered_at",
    "booking_services": "booking_id service_id position price duration_minutes",
    "area_professionals": "state district service_id professional_id households",
    "area_services": "state district season service_id households",
    "bookings": "id customer_id professional_id service_id status starts_at ends_at address_line pincode remarks"
    " currency subtotal total paid respond_by created_at accepted_at completed_at closed_at code_tries"
    " commission refunded cascade moves series_id rework_of_id",
    "categories": "id name slug icon position retired_at commission",
    "checkouts": "id booking_id method status amount currency reference created_at expires_at due_at tries",
    "consents": "id user_id about version given at place",
    "cities": "id name state lat lon population pincode",
    "city_names": "key city_id",
    "coupon_uses": "booking_id coupon_id customer_id amount used_at given_back_at",
    "coupons": "id code amount percent most least_total limit_all limit_each starts_at ends_at category_id service_id"
    " uses created_by_id created_at off_at",
    "dispute_photos": "dispute_id position file_id",
    "disputes": "id booking_id words opened_at answer answered_at outcome refund reason resolved_by_id resolved_at",
    "demand": "district service_id day hour number",
    "demand_series": "id key service_id district made_on model error hours",
    "document_counters": "kind year last",
    "documents": "id kind year serial number booking_id customer_id professional_id amount content issued_at",
    "extras": "id booking_id label price quantity status proposed_at answered_at",
    "editions": "name mark",
    "exports": "id admin_id kind filters excel status holder total done size error created_at started_at finished_at"
    " expires_at",
    "favourites": "customer_id professional_id created_at",
    "forecasts": "series_id kept day expected low80 high80 low95 high95 booked came",
    "gateway_events": "id method event kind checkout_id fault at",
    "guide_comments": "id guide_id author_id text state created_at reported_by_id reason decided_at",
    "guide_pictures": "file_id guide_id",
    "guide_reactions": "guide_id kind user_id",
    "guide_services": "guide_id service_id position",
    "guide_tags": "guide_id tag",
    "guides": "id slug author_id state language title summary text reason created_at edited_at publish_at published_at",
    "job_runs": "id job period status cursor count runs tries seconds error started_at finished_at retry_at",
    "leases": "name holder beats taken_at beaten_at",
    "message_reports": "id message_id by_id created_at decided_at decided_by_id",
    "messages": "id booking_id professional_id sender_id file_id created_at hidden_at hidden_reason",
    "ledger_entries": "id key kind booking_id at",
    "ledger_lines": "entry_id position account amount",
    "notifications": "id user_id kind booking_id data created_at read_at",
    "offerings": "professional_id service_id own_price listed lat lon radius_km rating rank experience_years",
    "open_questions": "id key text language count first_at last_at answered_at",
    "outbox": "id key kind channel user_id address booking_id status tries due_at leased_until subject error"
    " created_at sent_at webhook_id",
    "outside_calendars": "id professional_id name created_at due_at leased_until read_at failures error",
    "payments": "id booking_id method status amount reference holder recorded_by_id recorded_at verified_by_id"
    " verified_at confirmed_at denied_at decided_at reason",
    "payout_accounts": "professional_id way hint changed_at",
    "payout_batches": "id until made_by_id made_at",
    "payouts": "id batch_id professional_id amount status hint ended_at reason",
    "pin_codes": "pincode place district state lat lon geo",
    "professionals": "id bio experience_years hourly_rate commission base_pincode lat lon radius_km languages resume_id"
    " identity_id approval approval_reason applied_at approved_at paused rating_sum rating_count rank offers_answered"
    " offers_accepted last_job_at"
    " speed_kmh warned_at warned_of suspended_at counts_from upi_id",
    "proposals": "id booking_id by_id starts_at note status created_at lapses_at answered_at",
    "rate_items": "id professional_id label price",
    "recommendations": "customer_id position service_id professional_id why about_id number score since until",
    "refunds": "id booking_id payment_id amount reason holder state reference tries due_at error recorded_by_id"
    " recorded_at done_at",
    "revenue_days": "day kind name billed professionals site tax",
    "reviews": "id booking_id customer_id professional_id rating comment reply replied_at created_at edited_at"
    " hidden_at hidden_reason",
    "search_misses": "day kind words district number",
    "series": "id customer_id professional_id service_id every created_at",
    "service_pairs": "service_id other_id households",
    "services": "id category_id name slug description base_price duration_minutes retired_at created_at",
    "shortages": "series_id day expected needed offered missing hours",
    "sick_days": "professional_id day marked_by_id marked_at",
    "slot_claims": "professional_id bucket booking_id"
    " wait_id",
    "stored_files": "id owner_id kind content_type size created_at",
    "talk_sides": "booking_id professional_id user_id newest_id unread received_id received_at read_id read_at",
    "tallies": "name value",
    "taste_choices": "customer_id off",
    "time_off": "id professional_id starts_at ends_at note calendar_id",
    "trips": "id area hour km minutes day",
    "users": "id role email name phone locale photo_id message_choices last_seen_at demo created_at anonymised_at"
    " blocked_reason active confirmed_at erase_at agreed_version",
    "waits": "id customer_id professional_id service_id address_id day status created_at starts_at held_until",
    "webhooks": "id url verbs created_by_id created_at paused_at removed_at",
    "working_hours": "id professional_id weekday starts_minute ends_minute",
}
# Secrets: what opens an account, a door or a chat, the texts of messages, some of which do, what two people
# say to each other, and where somebody is.
WITHHELD = {
    "api_keys": "hash",
    "api_results": "caller key fingerprint sealed created_at",
    "api_sessions": "id user_id session refresh_jti created_at expires_at",
    "bookings": "code_salt",
    "checkouts": "key url",
    "exports": "key file_name",
    "guide_comments": "mark report",
    "idempotency_keys": "user_id key fingerprint booking_id created_at",
    "message_reports": "reason",
    "messages": "mark text",
    "outbox": "data lease body",
    "outside_calendars": "url lease",
    "positions": "booking_id since lat lon accuracy at set_off_at set_off_km",
    "refunds": "key",
    "payout_accounts": "sealed",
    "payouts": "sealed",
    "users": "chat_url feed_salt password fs_uniquifier tf_primary_method tf_totp_secret tf_last_counter"
    " mf_recovery_codes",
    "webhooks": "secret",
}
# Copies of other columns, for searching.
DERIVED = {"guide_words": "word guide_id", "later_names": "user_id key", "users": "name_key"}
