"""Answers that wait for their requester's word: for who gives it, and for who waits for it."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import projects, rejections, reviews, schemas
from workforce.api.edge import routes
from workforce.models import Review


@routes.get(
    "/projects/<project_id>/reviews",
    allow=allow("requester"),
    query=schemas.ReviewQuery,
    returns=schemas.Review,
    paged=True,
)
def list_reviews(call: Call, project_id: str) -> pagination.Page:
    """Answers of your project that wait for your word, newest first; or of another `state`. Workers have pseudonyms."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return reviews.page(call.db, project, call.page, **call.query)


@routes.post(
    "/projects/<project_id>/reviews/acceptance",
    allow=allow("requester"),
    body=schemas.AnswersToAccept,
    returns=schemas.Accepted,
)
def accept_answers(call: Call, project_id: str) -> dict[str, int]:
    """Accept answers, all of them or none; they are due at once. A rejection may be taken back like this for a week."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    accepted = reviews.accept(call.db, project, call.body["answer_ids"], decided_by=call.actor.subject_id)
    return {"accepted": accepted}


@routes.post(
    "/projects/<project_id>/reviews/<answer_id>/rejection",
    allow=allow("requester"),
    body=schemas.Rejection,
    returns=schemas.JudgedReview,
)
def reject_answer(call: Call, project_id: str, answer_id: str) -> Review:
    """Reject an answer that waits, for one of the reasons, with evidence. Its money stays set aside for a week."""
    project = projects.find(call.db, call.actor.subject_id, project_id)
    return rejections.reject(call.db, project, answer_id, decided_by=call.actor.subject_id, **call.body)


@routes.get("/me/reviews", allow=allow("work"), query=schemas.OwnReviewQuery, returns=schemas.OwnReview, paged=True)
def my_reviews(call: Call) -> pagination.Page:
    """Your answers that wait for their requester's word or have got it: state, reason and evidence; newest first."""
    return pagination.read(call.db, reviews.of_worker(call.actor.subject_id, **call.query), Review.answer_id, call.page)
