"""Contents of studies that newer ones have taken the place of leave every cohort."""

from __future__ import annotations

from feature_store.study_identity import StudyIdentity
from flows.installation import Installation


def note_replaced(work: Installation) -> int:
    """Tell the store which contents the registry has newer ones of, and return how many it did not
    know.

    What was said of such a content is kept, for reports that were made of it, and counts for nobody
    from the next version on; also while the newer content is still on its way, cannot be scored, or
    is another patient's or study's.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    """
    contents = {
        StudyIdentity(*content): is_replaced
        for content, is_replaced in work.registry.studies.replaced_contents().items()
    }
    if not contents:
        return 0
    known = work.store.replaced(None)
    news = {one: is_so for one, is_so in contents.items() if is_so is not (one in known)}
    work.store.put_replaced(news)
    return sum(news.values())
