# Recomputes the main numbers of a validation report from patients.csv and compares them with report.json's.
# Usage: Rscript recompute.R     (R with the package survival; the files of the report beside it)
# Ends with status 1 where a number differs by more than its tolerance.
suppressPackageStartupMessages(library(survival))
here <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
if (length(here) == 1) setwd(dirname(normalizePath(here)))
patients <- read.csv("patients.csv", colClasses = c(center = "character"), na.strings = "", encoding = "UTF-8")
expected <- read.csv("expected.csv", colClasses = c(center = "character"), encoding = "UTF-8")

# who was censored on the day of a horizon was alive on it: deaths of a day come first
patients$recorded <- patients$days
horizons <- as.numeric(sub("^survival_", "", grep("^survival_", names(patients), value = TRUE)))
for (days in horizons) patients[[paste0("risk_", days)]] <- 1 - patients[[paste0("survival_", days)]]
on_horizon <- patients$event == 0 & patients$days %in% horizons
patients$days[on_horizon] <- patients$days[on_horizon] + 1e-3

# probability of not being censored before t ("-") or by t; on a day with both, deaths come first
uncensored <- function(d) {
  times <- sort(unique(d$days[d$event == 0]))
  censored <- vapply(times, function(t) sum(d$days == t & d$event == 0), 0)
  at_risk <- vapply(times, function(t) sum(d$days > t), 0) + censored
  steps <- cumprod(1 - censored / at_risk)
  list(before = function(t) c(1, steps)[1 + findInterval(t, times, left.open = TRUE)],
       at = function(t) c(1, steps)[1 + findInterval(t, times)])
}

auc_at <- function(d, horizon, score = d$lp) {
  g <- uncensored(d)
  case <- d$event == 1 & d$days <= horizon
  control <- d$days > horizon
  weight <- 1 / g$before(d$days[case])
  wins <- outer(score[case], score[control], ">") + 0.5 * outer(score[case], score[control], "==")
  sum(weight * rowMeans(wins)) / sum(weight)
}

# interval of a share: the normal one far from 0 and 1, else that of the inverted score test (Newcombe 2006), for which
# variance gives the variance that is expected were a value the truth
share_limit <- function(estimate, error, variance, freedom, side) {
  comparisons <- if (error > 0) estimate * (1 - estimate) / error^2 * min(estimate, 1 - estimate) else 0
  if (comparisons >= 40) return(min(1, max(0, estimate + c(lower = -1, upper = 1)[[side]] * qnorm(0.975) * error)))
  if (estimate == c(lower = 0, upper = 1)[[side]]) return(estimate)
  scale <- if (variance(estimate) > 0) max(0.5, error^2 / variance(estimate)) else 1
  excess <- function(value) (estimate - value)^2 - qt(0.975, freedom)^2 * scale * variance(value)
  inside <- min(max(estimate, 1e-9), 1 - 1e-9)
  uniroot(excess, if (side == "lower") c(0, inside) else c(inside, 1), tol = 1e-13)$root
}
hanley_mcneil <- function(value) (1 - value) / (2 - value) + value / (1 + value)

# standard error of the AUC from each patient's influence, that on the censoring curve included (Blanche 2013)
auc_error <- function(d, horizon) {
  g <- uncensored(d)
  case <- d$event == 1 & d$days <= horizon
  control <- d$days > horizon
  weight <- 1 / g$before(d$days[case])
  wins <- outer(d$lp[case], d$lp[control], ">") + 0.5 * outer(d$lp[case], d$lp[control], "==")
  auc <- sum(weight * rowMeans(wins)) / sum(weight)
  part <- numeric(nrow(d))
  part[case] <- weight * (rowMeans(wins) - auc) / sum(weight)
  times <- sort(unique(d$days[d$event == 0]))
  censored <- vapply(times, function(t) sum(d$days == t & d$event == 0), 0)
  at_risk <- vapply(times, function(t) sum(d$days > t), 0) + censored
  ahead <- vapply(times, function(t) sum(part[d$days > t]), 0)
  influence <- part
  influence[control] <- influence[control] + (colSums(weight * wins) / sum(weight) - auc) / sum(control)
  for (k in seq_along(times)) {
    exposed <- d$days > times[k] | (d$days == times[k] & d$event == 0)
    influence[exposed] <- influence[exposed] - ahead[k] * censored[k] / at_risk[k]^2
    own <- d$days == times[k] & d$event == 0
    influence[own] <- influence[own] + ahead[k] / at_risk[k]
  }
  sqrt(var(influence) * nrow(d))
}

auc_limit <- function(d, horizon, side) {
  cases <- sum(d$event == 1 & d$days <= horizon)
  controls <- sum(d$days > horizon)
  expected <- function(value) {
    value * (1 - value) * (1 + ((cases + controls) / 2 - 1) * hanley_mcneil(value)) / (cases * controls)
  }
  share_limit(auc_at(d, horizon), auc_error(d, horizon), expected, cases + controls - 2, side)
}

# weight of the pairs in which this patient died first, and of those in which he outlived
pairs_of_patients <- function(d) {
  first <- outer(d$days, d$days, "<") | (outer(d$days, d$days, "==") & outer(d$event, d$event, ">"))
  first <- first & d$event == 1
  cbind(rowSums(first), colSums(first))
}

# parts: the patients, or those of each centre
c_limit <- function(found, parts, side) {
  pairs <- NULL
  expected <- function(value) {
    if (is.null(pairs)) pairs <<- do.call(rbind, lapply(parts, pairs_of_patients))
    by_chance <- (sum(pairs[, 1]) + sum((pairs[, 1] - pairs[, 2])^2)) / 12
    by_chance / sum(pairs[, 1])^2 * 6 * value * (1 - value) * hanley_mcneil(value)
  }
  deaths <- sum(vapply(parts, function(d) sum(d$event), 0))
  share_limit(found$concordance, sqrt(found$var), expected, max(deaths - 1, 1), side)
}

brier_at <- function(d, horizon, risk) {
  g <- uncensored(d)
  case <- d$event == 1 & d$days <= horizon
  weight <- ifelse(case, 1 / g$before(d$days), ifelse(d$days > horizon, 1 / g$at(horizon), 0))
  mean(weight * (case - risk)^2)
}

alive_at <- function(d, horizon) summary(survfit(Surv(days, event) ~ 1, d), times = horizon, extend = TRUE)$surv

# median and its ends as R prints them
median_of <- function(time, event, part) {
  found <- summary(survfit(Surv(time, event) ~ 1, conf.type = "log-log"))$table
  unname(found[c(" " = "median", lower = "0.95LCL", upper = "0.95UCL")[[part]]])
}

# smoothed minus predicted risk of each patient (Austin 2020)
smooth_errors <- function(d, horizon) {
  risk <- d[[paste0("risk_", horizon)]]
  x <- log(-log(d[[paste0("survival_", horizon)]]))  # a survival of 1e-17 is none of 0, its risk is 1
  k <- quantile(x, c(0.1, 0.5, 0.9))
  cube <- function(knot) pmax(x - knot, 0)^3
  bend <- (cube(k[1]) - (cube(k[2]) * (k[3] - k[1]) - cube(k[3]) * (k[2] - k[1])) / (k[3] - k[2])) / (k[3] - k[1])^2
  fit <- coxph(Surv(days, event) ~ x + bend, data.frame(days = d$days, event = d$event, x = x, bend = bend),
               control = coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 50))
  none <- survfit(fit, newdata = data.frame(x = 0, bend = 0))
  hazard <- summary(none, times = horizon, extend = TRUE)$cumhaz
  abs(1 - exp(-hazard * exp(drop(cbind(x, bend) %*% coef(fit)))) - risk)
}

net_benefit <- function(d, horizon, risk, threshold) {
  treated <- risk > threshold
  if (!any(treated)) return(0)
  alive <- alive_at(d[treated, ], horizon)
  mean(treated) * ((1 - alive) - alive * threshold / (1 - threshold))
}

c_influence <- function(d, score) concordance(Surv(d$days, d$event) ~ score, reverse = TRUE, influence = 1)

# DeLong's test among those whose state at the horizon is known: difference and its standard error
delong <- function(d, horizon, other) {
  case <- d$event == 1 & d$days <= horizon
  control <- d$days > horizon
  wins <- function(score) outer(score[case], score[control], ">") + 0.5 * outer(score[case], score[control], "==")
  difference <- wins(d$lp) - wins(other)
  c(mean(difference), sqrt(var(rowMeans(difference)) / sum(case) + var(colMeans(difference)) / sum(control)))
}

# random effects by restricted maximum likelihood: mean over the centres, its standard error by the modified
# Hartung-Knapp rule, variance between the centres
random_effects <- function(y, v) {
  slope <- function(t) {
    w <- 1 / (v + t)
    m <- sum(w * y) / sum(w)
    sum(w^2 * (y - m)^2) - sum(w) + sum(w^2) / sum(w)
  }
  tau2 <- 0
  if (slope(0) > 0) {
    high <- max(var(y), max(v))
    while (slope(high) > 0) high <- 2 * high
    tau2 <- uniroot(slope, c(0, high), tol = 1e-14)$root
  }
  w <- 1 / (v + tau2)
  m <- sum(w * y) / sum(w)
  error <- sqrt(max(1, sum(w * (y - m)^2) / (length(y) - 1)) / sum(w))
  reach <- qt(0.975, length(y) - 1) * error
  list(mean = m, error = error, tau2 = tau2, lower = m - reach, upper = m + reach)
}

# the centres that tell of the variance between centres: with which its upper limit is expected to be the lowest, were
# there none
telling <- function(v) {
  limit <- function(v) {
    excess <- function(log_tau2) {
      w <- 1 / (v + exp(log_tau2))
      sum(w * v) - sum(w^2 * v) / sum(w) - qchisq(0.025, length(v) - 1)
    }
    uniroot(excess, c(log(min(v)) - 10, log(max(v)) + 25), tol = 1e-12)$root
  }
  ascending <- order(v)
  limits <- vapply(3:length(v), function(m) limit(v[ascending[1:m]]), 0)
  ascending[1:(2 + which.min(limits))]
}

# ends of the interval for a new centre: a centre is normal around the mean, whose error and whose variance between
# centres are those at which the generalised Q equals a chi-square, over all chi-squares
new_center <- function(y, v, side) {
  told <- telling(v)
  q <- function(tau2) {
    w <- 1 / (v[told] + tau2)
    sum(w * (y[told] - sum(w * y[told]) / sum(w))^2)
  }
  tau2 <- c(0, exp(seq(log(min(v) * 1e-4), log(max(var(y), max(v)) * 1e7), length.out = 8000)))
  below <- pchisq(vapply(tau2, q, 0), length(told) - 1, lower.tail = FALSE)
  w <- vapply(tau2, function(t) 1 / (v + t), v)
  m <- colSums(w * y) / colSums(w)
  s <- sqrt(tau2 + 1 / colSums(w))
  inside <- function(x) {
    p <- pnorm(x, m, s)
    below[1] * p[1] + sum(diff(below) * (p[-1] + p[-length(p)]) / 2) + (1 - below[length(below)]) / 2
  }
  level <- c(lower = 0.025, upper = 0.975)[[side]]
  uniroot(function(x) inside(x) - level, mean(y) + c(-1, 1) * 30 * sqrt(max(v) + var(y)), extendInt = "upX", tol = 1e-11)$root
}

# estimate and variance of each centre on the scale of pooling
of_centers <- function(name) {
  day <- sub("^O/E at ([0-9]+) days$", "\\1", name)
  key <- c("Harrell's C" = "C", "Hazard ratio" = "log HR", "Calibration slope" = "slope")[name]
  if (name == "O/E on the hazard scale") key <- "hazard O/E"
  if (is.na(key)) key <- paste0("O/E@", day)
  centers <- expected$center[expected$statistic == key & expected$center != ""]
  found <- vapply(centers, function(center) {
    d <- patients[patients$center == center, ]
    value <- statistic(key, d)
    if (key == "C") return(c(qlogis(value), (statistic("C standard error", d) / (value * (1 - value)))^2))
    if (key == "hazard O/E") return(c(log(value), 1 / sum(d$counted)))
    if (key != paste0("O/E@", day)) return(c(value, statistic(paste(key, "standard error"), d)^2))
    at <- summary(survfit(Surv(days, event) ~ 1, d), times = as.numeric(day), extend = TRUE)
    c(log(value), (at$std.err / (1 - at$surv))^2)
  }, c(0, 0))
  found[, is.finite(found[1, ]) & is.finite(found[2, ]) & found[2, ] > 0, drop = FALSE]
}

# main figures from comparisons within centres alone
within_centers <- function(name, d, horizon) {
  control <- coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 50)
  cox <- function(x) coxph(Surv(d$days, d$event) ~ x + strata(d$center), control = control)
  order <- function() concordance(Surv(days, event) ~ lp + strata(center), d, reverse = TRUE)
  switch(name,
    "C" = order()$concordance,
    "C standard error" = sqrt(order()$var),
    "C lower" = c_limit(order(), split(d, d$center), "lower"),
    "C upper" = c_limit(order(), split(d, d$center), "upper"),
    "log HR" = unname(coef(cox(d$high))),
    "log HR standard error" = sqrt(vcov(cox(d$high))[1, 1]),
    "log-rank" = survdiff(Surv(days, event) ~ high + strata(center), d)$chisq,
    "slope" = unname(coef(cox(d$lp))),
    "slope standard error" = sqrt(vcov(cox(d$lp))[1, 1]),
    "O/E" = {
      # a centre where nobody was followed until the horizon is left out
      known <- Filter(function(x) max(x$days) >= horizon || min(survfit(Surv(days, event) ~ 1, x)$surv) == 0,
                      split(d, d$center))
      deaths <- vapply(known, function(x) nrow(x) * (1 - alive_at(x, horizon)), 0)
      sum(deaths) / sum(vapply(known, function(x) sum(x[[paste0("risk_", horizon)]]), 0))
    },
    stop("unknown statistic within centres ", name)
  )
}

interaction_p <- function(d, group) {
  d$group <- group
  d <- d[!is.na(d$group), ]
  anova(coxph(Surv(days, event) ~ lp + group, d), coxph(Surv(days, event) ~ lp * group, d))[2, 4]
}

# 0 for stage 0 and occult carcinoma, else 1 to 4; NA where no stage is known
stage_number <- function(stage) {
  one <- "(OCCULT|0|IV|III|II|I)([ABC][1-3]?)?"
  found <- sub("[+].*", "", toupper(trimws(stage)))
  known <- grepl(paste0("^", one, "(-", one, ")?$"), found)
  ifelse(known, c(OCCULT = 0, "0" = 0, I = 1, II = 2, III = 3, IV = 4)[sub("^(OCCULT|0|IV|III|II|I).*", "\\1", found)], NA)
}

# early or advanced, NA where it is neither
stage_group <- function(stage) {
  ends <- strsplit(toupper(trimws(stage)), "-")
  number <- stage_number(stage)
  last <- stage_number(vapply(ends, function(parts) parts[length(parts)], ""))
  ifelse(!is.na(number) & number > 0 & (number > 2) == (last > 2), ifelse(number > 2, "III-IV", "I-II"), NA)
}

# stages each of which has a death: letters are left out, then a group joins the next lower
with_deaths <- function(stage, event) {
  plain <- sub("[ABC][1-3]?$", "", stage)
  stage <- ifelse(plain %in% sub("[ABC][1-3]?$", "", setdiff(stage, stage[event == 1])), plain, stage)
  repeat {
    names <- unique(stage)
    names <- names[order(stage_number(names), names, method = "radix")]
    place <- which(!names %in% stage[event == 1])[1]
    if (is.na(place) || length(names) == 1) return(stage)
    pair <- names[max(place, 2) - 1:0]
    stage[stage %in% pair] <- paste(pair, collapse = "+")
  }
}

statistic <- function(name, d) {
  parts <- strsplit(name, "@")[[1]]
  horizon <- if (length(parts) > 1) as.numeric(parts[2]) else NA
  outcome <- Surv(d$days, d$event)
  risk <- if (is.na(horizon)) NULL else d[[paste0("risk_", parts[2])]]
  control <- coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 50)
  cox <- function(x) coxph(outcome ~ x, control = control)
  pooled <- "^(random effects|standard error of the random effects|tau2|mean over centres (lower|upper)|new centre (lower|upper)) "
  if (grepl(pooled, name)) {
    centers <- of_centers(sub(pooled, "", name))
    found <- random_effects(centers[1, ], centers[2, ])
    side <- if (grepl("^[a-z ]* lower ", name)) "lower" else "upper"
    return(switch(substr(name, 1, 1),
      "r" = found$mean, "s" = found$error, "t" = found$tau2, "m" = found[[side]],
      # no surer than the mean
      "n" = (if (side == "lower") min else max)(found[[side]], new_center(centers[1, ], centers[2, ], side))))
  }
  if (startsWith(name, "within ")) return(within_centers(sub("^within ", "", parts[1]), patients, horizon))
  if (startsWith(name, "without ")) {
    return(within_centers(sub("^without ", "", parts[1]), patients[patients$center != d$center[1], ], horizon))
  }
  if (grepl("^median ", name)) {
    part <- if (grepl(" (lower|upper)$", name)) sub(".* ", "", name) else " "
    whose <- sub(" (lower|upper)$", "", name)
    if (whose == "median survival") return(median_of(d$recorded, d$event, part))
    if (whose == "median follow-up") return(median_of(d$recorded, 1 - d$event, part))
    group <- d[d$high == (whose == "median high risk"), ]
    return(median_of(group$days, group$event, part))
  }
  if (grepl(" to ", parts[1])) {
    other <- d[[paste0("signature_", sub(".* to ", "", parts[1]))]]
    what <- sub(" to .*", "", parts[1])
    return(switch(what,
      "difference in C" = c_influence(d, d$lp)$concordance - c_influence(d, other)$concordance,
      "standard error of the difference in C" =
        sqrt(sum((c_influence(d, d$lp)$dfbeta - c_influence(d, other)$dfbeta)^2)),
      "difference in AUC" = auc_at(d, horizon) - auc_at(d, horizon, other),
      "DeLong" = delong(d, horizon, other)[1],
      "standard error of DeLong" = delong(d, horizon, other)[2]))
  }
  if (startsWith(name, "net benefit")) {
    return(net_benefit(d, horizon, risk, as.numeric(sub("net benefit ", "", parts[1]))))
  }
  z <- c(lower = -1, upper = 1)[sub(".* ", "", parts[1])] * qnorm(0.975)
  switch(parts[1],
    "n" = nrow(d),
    "deaths" = sum(d$event),
    "C" = concordance(outcome ~ d$lp, reverse = TRUE)$concordance,
    "C standard error" = sqrt(concordance(outcome ~ d$lp, reverse = TRUE)$var),
    "C lower" = c_limit(concordance(outcome ~ d$lp, reverse = TRUE), list(d), "lower"),
    "C upper" = c_limit(concordance(outcome ~ d$lp, reverse = TRUE), list(d), "upper"),
    "HR lower" = , "HR upper" = exp(statistic("log HR", d) + z * statistic("log HR standard error", d)),
    "slope lower" = , "slope upper" = statistic("slope", d) + z * statistic("slope standard error", d),
    "observed lower" = 1 - summary(survfit(outcome ~ 1, conf.type = "log-log"), times = horizon, extend = TRUE)$upper,
    "observed upper" = 1 - summary(survfit(outcome ~ 1, conf.type = "log-log"), times = horizon, extend = TRUE)$lower,
    "hazard O/E" = sum(d$counted) / sum(d$hazard),
    "hazard O/E lower" = qchisq(0.025, 2 * sum(d$counted)) / 2 / sum(d$hazard),
    "hazard O/E upper" = qchisq(0.975, 2 * sum(d$counted) + 2) / 2 / sum(d$hazard),
    "IPA" = 1 - brier_at(d, horizon, risk) / brier_at(d, horizon, 1 - alive_at(d, horizon)),
    "ICI" = mean(smooth_errors(d, horizon)),
    "E50" = median(smooth_errors(d, horizon)),
    "E90" = unname(quantile(smooth_errors(d, horizon), 0.9)),
    "Emax" = max(smooth_errors(d, horizon)),
    "Uno C" = concordance(outcome ~ d$lp, reverse = TRUE, timewt = "n/G2", ymax = horizon)$concordance,
    "Uno C lower" = , "Uno C upper" = {
      found <- concordance(outcome ~ d$lp, reverse = TRUE, timewt = "n/G2", ymax = horizon)
      min(1, max(0, found$concordance + z * sqrt(found$var)))
    },
    "AUC" = auc_at(d, horizon),
    "AUC standard error" = auc_error(d, horizon),
    "AUC lower" = auc_limit(d, horizon, "lower"),
    "AUC upper" = auc_limit(d, horizon, "upper"),
    "log HR" = unname(coef(cox(d$high))),
    "log HR standard error" = sqrt(vcov(cox(d$high))[1, 1]),
    "log-rank" = survdiff(outcome ~ d$high)$chisq,
    "slope" = unname(coef(cox(d$lp))),
    "slope standard error" = sqrt(vcov(cox(d$lp))[1, 1]),
    "proportional hazards" = cox.zph(cox(d$lp), terms = FALSE)$table[1, 1],
    "observed" = 1 - alive_at(d, horizon),
    "O/E" = (1 - alive_at(d, horizon)) / mean(risk),
    "O/E lower" = , "O/E upper" = {
      at <- summary(survfit(outcome ~ 1), times = horizon, extend = TRUE)
      (1 - at$surv) / mean(risk) * exp(z * at$std.err / (1 - at$surv))
    },
    "Brier" = brier_at(d, horizon, risk),
    "stage LRT" = {
      known <- d[!is.na(stage_number(d$stage)), ]
      known$stage <- with_deaths(known$stage, known$event)
      # A stage without a death has a coefficient without a limit; the likelihood has one all the same.
      suppressWarnings(2 * (coxph(Surv(days, event) ~ stage + lp, known)$loglik[2] - coxph(Surv(days, event) ~ stage, known)$loglik[2]))
    },
    "interaction sex" = interaction_p(d, d$sex),
    "interaction age" = interaction_p(d, ifelse(is.na(d$age), NA, d$age >= 65)),
    "interaction stage" = interaction_p(d, stage_group(d$stage)),
    "interaction histology" = interaction_p(d, ifelse(
      d$histology %in% c("adenocarcinoma", "squamous cell carcinoma"), d$histology, NA)),
    stop("unknown statistic ", name)
  )
}

if (nrow(expected) == 0) {
  cat("No rows leave with this report, so there is nothing to compute.\n")
  quit(status = 0)
}
expected$r <- mapply(function(center, name) {
  statistic(name, if (center == "") patients else patients[patients$center == center, ])
}, expected$center, expected$statistic)
expected$difference <- abs(expected$r - expected$value)
expected$agrees <- !is.na(expected$difference) & expected$difference <= expected$tolerance
# what the rounding of the rows does to the number that the report gives
expected$rounding <- expected$reported - expected$value
print(format(expected, digits = 8), row.names = FALSE)
cat(sum(expected$agrees), "of", nrow(expected), "numbers agree with R", as.character(getRversion()), "survival",
    as.character(packageVersion("survival")), "\n")
if (any(abs(expected$rounding) > expected$tolerance, na.rm = TRUE)) {
  cat("The rows are rounded, so that nobody is found in them: the column rounding says by how much the reported numbers,",
      "which are of the exact rows, differ. C differs by up to",
      format(max(abs(expected$rounding[expected$statistic == "C"]), 0, na.rm = TRUE), digits = 2), "\n")
}
if (!all(expected$agrees)) quit(status = 1)
