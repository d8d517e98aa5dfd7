"""What people say in the made-up shop, in English: a kind of line → (templates of the train part, templates of the test part).

No template stands in both parts. `{product}`, `{days}`, `{amount}` and `{order}` are filled in by `risk.world.words`.
"""

from __future__ import annotations

from risk.world.words import Lines

PRODUCTS = (
    ("kettle", "rain jacket", "desk lamp", "backpack", "coffee grinder", "running shoes", "phone case", "duvet cover"),
    ("toaster", "wool scarf", "office chair", "suitcase", "blender", "sandals", "headphones", "bath towel"),
)

LINES: Lines = {
    "greet": (("hi", "hello there", "good morning", "hey, anyone around?"), ("hello", "hi, quick one", "good evening")),
    "delivery": (
        (
            "my parcel with the {product} has not arrived, it was due {days} days ago",
            "where is order {order}? tracking has not moved for {days} days",
            "the courier says delivered but there is no {product} here",
            "I ordered a {product} and it is {days} days late",
            "still waiting for my {product}, the shipping date keeps moving",
            "can you tell me why the delivery of {order} takes so long?",
        ),
        (
            "{order} was meant to be here {days} days back and the box never showed up",
            "has the {product} even left your warehouse? I was promised it last week",
            "the driver left a card, nobody came again, and my package is missing",
            "shipment delayed again for {days} days, what is going on with {order}",
        ),
    ),
    "quality": (
        (
            "the {product} I bought broke after {days} days",
            "my {product} arrived with a crack in it",
            "the {product} stopped working, it is clearly faulty",
            "the seam of the {product} came apart the first time I used it",
            "I got a {product} that looks used, there are scratches all over",
            "{order}: the {product} is defective",
        ),
        (
            "{days} days in and the {product} is already falling to pieces",
            "the {product} from {order} is damaged, the lid does not close",
            "this {product} is poorly made, a part snapped off",
            "the {product} will not switch on, I think it is a dud",
        ),
    ),
    "price": (
        (
            "the {product} is {amount} cheaper today than when I bought it {days} days ago",
            "why was I charged {amount} more than the price on the page?",
            "my voucher was not taken off order {order}",
            "the {product} got discounted right after I paid full price",
            "there is a fee of {amount} on my bill that nobody mentioned",
            "can I get the difference of {amount} back? the sale started a day later",
        ),
        (
            "I paid too much for the {product}, you list it for {amount} less now",
            "the coupon code was refused and {order} cost me {amount} extra",
            "what is this surcharge of {amount} about?",
            "you lowered the price of the {product} {days} days after my purchase",
        ),
    ),
    "fit": (
        (
            "the {product} is too small, I need another size",
            "the colour of the {product} is not like in the picture",
            "I want to swap the {product} for a larger one",
            "the {product} does not fit, how do I return it?",
            "{order}: wrong size, I ordered a medium",
            "the {product} is bigger than described",
        ),
        (
            "could I exchange the {product}? it runs tight",
            "the {product} looked different online, not my style at all",
            "the measurements of the {product} are off, I would like to send it back",
            "you sent the wrong colour of {product} in {order}",
        ),
    ),
    "service": (
        (
            "I wrote to you {days} days ago and nobody answered",
            "your colleague promised to call me back about {order} and never did",
            "this is the third time that I explain the same thing about the {product}",
            "the chat closed on me last time without an answer",
            "I was told something else by your support {days} days ago",
            "your hotline hung up on me",
        ),
        (
            "no reply to my email about {order} for {days} days",
            "I keep getting passed from one person to the next because of a {product}",
            "somebody from your team was supposed to get in touch and did not",
            "your last agent ended the conversation before it was sorted",
        ),
    ),
    "account": (
        (
            "I cannot log in to see order {order}",
            "my password reset mail does not come",
            "please change the address on my account",
            "the points for {order} are not shown in my profile",
            "how do I change the email of my account?",
            "the app logs me out all the time",
        ),
        (
            "the sign-in page rejects my code",
            "my profile shows an old phone number, can it be updated?",
            "I do not see {order} under my purchases",
            "two accounts were made for me, can you merge them?",
        ),
    ),
    "question": (
        (
            "is the {product} in stock again soon?",
            "does the {product} come with a warranty?",
            "do you have the {product} in green?",
            "what is the {product} made of?",
            "how long does shipping take to Leeds?",
            "can I add a gift note to {order}?",
        ),
        (
            "will you get more of the {product} this month?",
            "how do I wash the {product}?",
            "which size of {product} would you suggest?",
            "is express shipping possible for {order}?",
        ),
    ),
    "ask": (
        (
            "I am sorry to hear that. Could you give me your order number?",
            "Let me look into it. Which order is it about?",
            "Thanks for reaching out. May I have the order number, please?",
            "I can help with that. What is the number of the order?",
        ),
        ("Happy to check. Please send me the order number.", "Which purchase do you mean? A number would help me."),
    ),
    "detail": (
        ("it is {order}", "order {order}", "the number is {order}, bought {days} days ago", "{order}, the {product}"),
        ("sure: {order}", "{order} for {amount}", "here you go, {order}"),
    ),
    "calm": (
        (
            "no rush, I just want to know how it goes on",
            "could you check that for me please?",
            "I would be glad if you could have a look",
            "what would be the next step?",
            "I am sure there is an explanation",
        ),
        ("take your time, I only need to know what to do", "how do we go from here?", "would you mind checking?"),
    ),
    "annoyed": (
        (
            "this is getting annoying to be honest",
            "I am not happy with how this goes",
            "I expected better, it costs me time every day",
            "that is frustrating, I needed it this week",
            "I have already told you that once",
        ),
        ("I find this rather irritating", "not what I am used to from you", "this really should not be so hard"),
    ),
    "furious": (
        (
            "this is ridiculous, I have had enough of these excuses!",
            "absolutely unacceptable, what kind of shop is this??",
            "are you joking? this is the worst service I ever had!",
            "I am furious, you are wasting my time!!",
            "terrible, simply terrible, nobody cares!",
        ),
        (
            "what a disgrace, I am beyond angry!",
            "you people are useless, I am sick of it!!",
            "outrageous, this makes my blood boil!",
        ),
    ),
    "stall": (
        ("One moment, I am checking.", "Thank you, please bear with me.", "I am looking at it now."),
        ("Give me a minute to find it.", "Thanks, I will see what I can find."),
    ),
    "solved": (
        (
            "I have found it: we send you a replacement today, free of charge.",
            "Good news, the refund of {amount} was made just now.",
            "It is fixed on our side, you will get a confirmation in a minute.",
            "I corrected that for you, nothing else is needed from you.",
            "I have put it right and it goes out by express this afternoon.",
        ),
        (
            "That has been taken care of, you get {amount} back by tomorrow.",
            "I arranged it: a new one is on its way to you.",
            "All set, I changed it in our system and you will receive a mail.",
        ),
    ),
    "unsolved": (
        (
            "Unfortunately there is nothing that I can do about it.",
            "I am afraid that our terms do not allow that.",
            "I cannot see anything here, please try again next week.",
            "You would have to contact the manufacturer about that.",
            "I have noted it, somebody may come back to you.",
        ),
        (
            "Sorry, that is not possible under our policy.",
            "I do not have access to that, please write to another department.",
            "At the moment I can offer no solution for this.",
        ),
    ),
    "glad": (
        (
            "great, thank you very much",
            "perfect, that was quick, thanks",
            "wonderful, exactly what I needed",
            "thanks a lot, that solves it",
        ),
        ("brilliant, much appreciated", "lovely, that is all sorted then, thank you", "super, cheers for the help"),
    ),
    "accepts": (
        ("ok", "all right then", "fine, I will wait for it", "ok, that will do", "good, I take that"),
        ("okay then", "alright, I will keep an eye on it", "yes, that works"),
    ),
    "resigned": (
        (
            "so you cannot help me",
            "that does not help me at all",
            "I see, then that was for nothing",
            "hm, that is not an answer",
            "well, that is disappointing",
        ),
        ("so I am left with the problem", "then I do not know why I asked", "that leaves me where I started"),
    ),
    "protests": (
        (
            "you cannot be serious, I want my money back!",
            "that is no solution, I will complain about this!",
            "so I pay and get nothing? that is a joke!",
            "I demand to speak to a manager!",
        ),
        (
            "no way, I am not letting that go!",
            "you let me down completely, expect a bad review!",
            "I insist that a supervisor deals with this!",
        ),
    ),
    "hint": (
        (
            "another shop handles that within a day",
            "my friends all order from somewhere else by now",
            "I saw the same {product} at a competitor, and cheaper",
            "I wonder why I still order here",
        ),
        ("other stores do this better", "maybe I should look around elsewhere", "your competitors do not charge for that"),
    ),
    "announce": (
        (
            "that was my last order here",
            "please delete my account, I am done with you",
            "I will buy elsewhere from now on",
            "you have lost me as a customer",
        ),
        ("I am never ordering from you again", "close my account please, I am leaving", "I take my business to another shop"),
    ),
    "aside": (
        ("I am on my phone, sorry for typos", "hold on, I have to find the mail", "are you there?", "one second"),
        ("wait, let me look it up", "sorry, got interrupted", "hello? still there?"),
    ),
}  # fmt: skip
