"""Reply writers: who puts an approved reply into words. The template says it as it is approved; a language model may rephrase it.

A model is never trusted: what it writes is checked against the approved content, sentence by sentence, before anybody sees it, and
whatever goes wrong ends in the approved wording.
"""
