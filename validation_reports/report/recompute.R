# Recomputes the main numbers of a validation report from patients.csv and compares them with report.json's.
# Usage: Rscript recompute.R     (R with the package survival; the files of the report beside it)
# Ends with status 1 where a number differs by more than its tolerance.
suppressPackageStartupMessages(library(survival))
here <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
if (length(here) == 1) setwd(dirname(normalizePath(here)))
patients <- read.csv("patients.csv", colClasses = c(center = "character"), na.strings = "", encoding = "UTF-8")
expected <- read.csv("expected.csv", colClasses = c(center = "character"), encoding = "UTF-8")

# probability of not being censored before t ("-") or by t; on a day with both, deaths come first
uncensored <- function(d) {
  times <- sort(unique(d$days[d$event == 0]))
  censored <- vapply(times, function(t) sum(d$days == t & d$event == 0), 0)
  at_risk <- vapply(times, function(t) sum(d$days > t), 0) + censored
  steps <- cumprod(1 - censored / at_risk)
  list(before = function(t) c(1, steps)[1 + findInterval(t, times, left.open = TRUE)],
       at = function(t) c(1, steps)[1 + findInterval(t, times)])
}

auc_at <- function(d, horizon) {
  g <- uncensored(d)
  case <- d$event == 1 & d$days <= horizon
  control <- d$days > horizon
  weight <- 1 / g$before(d$days[case])
  wins <- outer(d$lp[case], d$lp[control], ">") + 0.5 * outer(d$lp[case], d$lp[control], "==")
  sum(weight * rowMeans(wins)) / sum(weight)
}

brier_at <- function(d, horizon, risk) {
  g <- uncensored(d)
  case <- d$event == 1 & d$days <= horizon
  weight <- ifelse(case, 1 / g$before(d$days), ifelse(d$days > horizon, 1 / g$at(horizon), 0))
  mean(weight * (case - risk)^2)
}

alive_at <- function(d, horizon) summary(survfit(Surv(days, event) ~ 1, d), times = horizon, extend = TRUE)$surv

interaction_p <- function(d, group) {
  d$group <- group
  d <- d[!is.na(d$group), ]
  anova(coxph(Surv(days, event) ~ lp + group, d), coxph(Surv(days, event) ~ lp * group, d))[2, 4]
}

statistic <- function(name, d) {
  parts <- strsplit(name, "@")[[1]]
  horizon <- if (length(parts) > 1) as.numeric(parts[2]) else NA
  outcome <- Surv(d$days, d$event)
  risk <- if (is.na(horizon)) NULL else d[[paste0("risk_", parts[2])]]
  control <- coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 50)
  cox <- function(x) coxph(outcome ~ x, control = control)
  switch(parts[1],
    "n" = nrow(d),
    "deaths" = sum(d$event),
    "C" = concordance(outcome ~ d$lp, reverse = TRUE)$concordance,
    "C standard error" = sqrt(concordance(outcome ~ d$lp, reverse = TRUE)$var),
    "Uno C" = concordance(outcome ~ d$lp, reverse = TRUE, timewt = "n/G2", ymax = horizon)$concordance,
    "AUC" = auc_at(d, horizon),
    "log HR" = unname(coef(cox(d$high))),
    "log HR standard error" = sqrt(vcov(cox(d$high))[1, 1]),
    "log-rank" = survdiff(outcome ~ d$high)$chisq,
    "slope" = unname(coef(cox(d$lp))),
    "slope standard error" = sqrt(vcov(cox(d$lp))[1, 1]),
    "proportional hazards" = cox.zph(cox(d$lp), terms = FALSE)$table[1, 1],
    "observed" = 1 - alive_at(d, horizon),
    "O/E" = (1 - alive_at(d, horizon)) / mean(risk),
    "Brier" = brier_at(d, horizon, risk),
    "stage LRT" = {
      known <- d[!is.na(d$stage), ]
      2 * (coxph(Surv(days, event) ~ stage + lp, known)$loglik[2] - coxph(Surv(days, event) ~ stage, known)$loglik[2])
    },
    "interaction sex" = interaction_p(d, d$sex),
    "interaction age" = interaction_p(d, ifelse(is.na(d$age), NA, d$age >= 65)),
    "interaction stage" = interaction_p(d, ifelse(grepl("^IV", d$stage) | is.na(d$stage), NA, grepl("^III", d$stage))),
    "interaction histology" = interaction_p(d, ifelse(
      d$histology %in% c("adenocarcinoma", "squamous cell carcinoma"), d$histology, NA)),
    stop("unknown statistic ", name)
  )
}

expected$r <- mapply(function(center, name) {
  statistic(name, if (center == "") patients else patients[patients$center == center, ])
}, expected$center, expected$statistic)
expected$difference <- abs(expected$r - expected$value)
expected$agrees <- !is.na(expected$difference) & expected$difference <= expected$tolerance
print(format(expected, digits = 8), row.names = FALSE)
cat(sum(expected$agrees), "of", nrow(expected), "numbers agree with R", as.character(getRversion()), "survival",
    as.character(packageVersion("survival")), "\n")
if (!all(expected$agrees)) quit(status = 1)
